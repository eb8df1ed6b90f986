/** A connection, as commands see it, and what all connections share. */
import type { Keyspace } from "./keyspace.ts";
import type { RequestLimits } from "./request-parser.ts";

export interface Client {
  readonly id: number;
  /** CLIENT SETNAME; empty for none. */
  name: string;
  /** CLIENT SETINFO. */
  libraryName: string;
  libraryVersion: string;
  /** 2 or 3: the version of the protocol it speaks. */
  protocol: number;
  readonly keys: Keyspace;
  readonly host: Host;
  /** Its line in CLIENT LIST. */
  describe(): string;
  /** Closes the connection once the replies so far are sent; what else was asked for is not answered. */
  quit(): void;
}

export interface Host {
  readonly clients: Iterable<Client> & { readonly size: number };
  readonly limits: RequestLimits;
  /** CONFIG GET. */
  readonly settings: Readonly<Record<string, string>>;
  /** INFO: sections and their lines. */
  info(): Readonly<Record<string, Readonly<Record<string, string | number>>>>;
}
