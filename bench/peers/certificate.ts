/** The certificate of the servers with TLS, for `localhost`, and who signed it: those of the tests. */
import { readFileSync } from "node:fs";

const read = (name: string): string =>
  readFileSync(new URL(`../../test/support/certificates/${name}.pem`, import.meta.url), "utf8");

export const identity: { readonly key: string; readonly cert: string } = {
  key: read("server-key"),
  cert: read("server"),
};
export const ca: string = read("ca");
