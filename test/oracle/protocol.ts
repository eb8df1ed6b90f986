/** What a program says to the scripted peer, and what the peer answers. Data is latin-1 text. */
export type PeerAddress = string | readonly [host: string, port: number];

export type Command =
  /** Listens (port 0: any). `refuser`: an address where nobody listens. */
  | { readonly op: "listen" | "refuser"; readonly id: string; readonly address: PeerAddress }
  | { readonly op: "connect"; readonly id: string; readonly address: PeerAddress }
  | { readonly op: "accept"; readonly id: string; readonly listener: string }
  | { readonly op: "send" | "oob"; readonly id: string; readonly data: string }
  /** Makes a FIFO; opens one, or any file; makes a raw terminal, whose other end is at the address answered. */
  | { readonly op: "fifo"; readonly id: string; readonly path: string }
  | { readonly op: "open"; readonly id: string; readonly path: string; readonly mode: "r" | "w" }
  | { readonly op: "pty"; readonly id: string }
  /** Sends, reads until there are, `count` bytes. */
  | { readonly op: "flood" | "recv"; readonly id: string; readonly count: number }
  /** Takes the urgent byte; reads up to where it is in the stream. */
  | { readonly op: "urgent" | "mark"; readonly id: string }
  /** Reads to the end; reads to the end and only counts. */
  | { readonly op: "eof" | "drain"; readonly id: string }
  /** Shuts its sending side down; closes with a reset; closes; closes everything. */
  | { readonly op: "fin" | "rst" | "close" | "reset"; readonly id: string };

export interface Answer {
  readonly ok?: boolean;
  readonly address?: PeerAddress;
  readonly data?: string;
  readonly count?: number;
  /** How a read ended: `eof`, `reset`, `timeout`, or empty when it got what it was to get. */
  readonly end?: string;
}
