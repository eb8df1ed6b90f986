/** The certificates of `certificates/make.sh`, as text. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** Where the file is. */
export function pathOf(name: string): string {
  return fileURLToPath(new URL(`./certificates/${name}.pem`, import.meta.url));
}

function read(name: string): string {
  return readFileSync(pathOf(name), "utf8");
}

function identity(name: string): Identity {
  return { key: read(`${name}-key`), cert: read(name) };
}

/** The authority that signed all but {@link stranger}. */
export const ca: string = read("ca");
/** localhost, 127.0.0.1, ::1. */
export const server: Identity = identity("server");
/** other.example and *.wild.example. */
export const other: Identity = identity("other");
/** For a client. */
export const client: Identity = identity("client");
/** localhost, until 2021. */
export const expired: Identity = identity("expired");
/** localhost, signed by itself. */
export const stranger: Identity = identity("stranger");
