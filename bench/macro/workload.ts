/**
 * The words of the macro benches. A workload is data: which servers, what the client does, which figures come out and
 * what is promised about them. The runner, the client programs and the report know nothing of a particular one.
 */

/** What a client does; the program for each kind is in `clients/`. */
export type ClientJob =
  /** Every connection sends a message, waits for all of it to come back, sends the next. */
  | {
      readonly kind: "echo";
      readonly connections: number;
      readonly bytes: number;
      /** Connections that stay open beside these and say nothing. Default none. */
      readonly bystanders?: number;
    }
  /** The same through TLS. */
  | { readonly kind: "tls-echo"; readonly connections: number; readonly bytes: number }
  /** Every connection keeps packets of messages in flight; each message comes back. */
  | {
      readonly kind: "lines";
      readonly connections: number;
      readonly linesPerPacket: number;
      /** Of a message, its newline or its length included. */
      readonly lineBytes: number;
      readonly packetsInFlight: number;
      /** What ends a message: a newline, or the four bytes of length before it, highest first. Default newline. */
      readonly framing?: "newline" | "length";
    }
  /** One connection publishes packets of lines, many subscribers get each line. A message is a delivery. */
  | {
      readonly kind: "fanout";
      readonly subscribers: number;
      readonly linesPerPacket: number;
      /** Of a delivered line: the two bytes that the server puts before it, and its newline, included. */
      readonly lineBytes: number;
      /** One more subscriber never reads. When the server cuts it off, another one takes its place. */
      readonly stalled: boolean;
    }
  /** Over and over: connect, send a message, get it back, close. A message is a connection. */
  | { readonly kind: "churn"; readonly atOnce: number; readonly bytes: number }
  /** Every UDP socket sends a datagram, waits until it came back, sends the next. */
  | { readonly kind: "datagrams"; readonly connections: number; readonly bytes: number }
  /** Connections are opened and left alone; memory is the figure, and the CPU that doing nothing takes. */
  | { readonly kind: "idle"; readonly connections: number }
  /** The server makes passes of its loop over so many idle channels, one number of them after the other. */
  | { readonly kind: "passes"; readonly channels: readonly number[] };

/** "python" has asyncore, "uvloop" and "twisted" are Pythons with those; "built" is made by `bench/peers/install.sh`. */
export type Runtime = "bun" | "node" | "python" | "uvloop" | "twisted" | "built";

/** A server program. */
export interface Peer {
  readonly name: string;
  /** File name in `bench/peers/`; for "built" in `bench/peers/build/`. */
  readonly program: string;
  readonly args?: readonly string[];
  /** Default: the Bun that runs the bench. Where there is no other one, its peers are left out; see `runtimes.ts`. */
  readonly runtime?: Runtime;
  /** What the client does with this one. Default: what it does with all. */
  readonly client?: ClientJob;
  readonly quickClient?: ClientJob;
  /** The checkout whose programs these are. Default: this one. */
  readonly root?: string;
}

/** What one run of one peer brought, by name; a figure that could not be had is left out. */
export type Figures = Readonly<Record<string, number>>;

/** A figure the report shows. */
export interface Column {
  readonly figure: string;
  readonly title: string;
  readonly digits: number;
  /** The figure is divided by this before it is shown. Default 1. */
  readonly per?: number;
}

/** A promise. Without `against` it is about the figure itself, else about its ratio to that peer's. */
export interface Target {
  readonly peer: string;
  readonly figure: string;
  readonly against?: string;
  readonly bound: "at most" | "at least";
  readonly value: number;
  /** The promise is equality: it is missed only where the whole middle half of the samples is. Default false. */
  readonly withinSpread?: boolean;
}

export interface Workload {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  readonly client: ClientJob;
  /** What `--quick` replaces of the client's job. */
  readonly quickClient?: ClientJob;
  readonly peers: readonly Peer[];
  /** The peer all ratios are to. */
  readonly baseline: string;
  /** The figure whose ratios the report shows; targets may be about others. */
  readonly figure: string;
  readonly columns: readonly Column[];
  readonly targets: readonly Target[];
  readonly rounds: number;
  /** Where a message takes so long that the usual slices are too short for it. Not for `--quick`. */
  readonly timing?: Partial<Timing>;
}

/** How long one run takes. */
export interface Timing {
  /** Load before the window: at least so long … */
  readonly warmupMs: number;
  /** … and, where there is a JIT, which counts calls, until so many messages came back; but at most six times as long. */
  readonly warmupMessages: number;
  readonly windowMs: number;
  /** Of the window: the servers take turns at it. */
  readonly sliceMs: number;
}

/** A run whose figures count. */
export const fullTiming: Timing = { warmupMs: 500, warmupMessages: 300_000, windowMs: 1000, sliceMs: 250 };

/** How to start the server of a peer. */
export interface ServerCommand {
  readonly peer: string;
  readonly command: readonly string[];
  readonly client: ClientJob;
  /** Whether a JIT makes it faster while it runs. */
  readonly compiles: boolean;
  /** Whether it collects its garbage and tells its memory when asked; of others only /proc tells. */
  readonly answers: boolean;
}

/** One round, as `measure.ts` gets it on its command line. */
export interface RoundRequest {
  readonly servers: readonly ServerCommand[];
  /** The workload's; its kind is that of every server's. */
  readonly client: ClientJob;
  readonly timing: Timing;
}

/** What one peer did in a round. */
export type RunResult =
  | { readonly figures: Figures; readonly notes: readonly string[] }
  | { readonly broken: string };

/** One round, as `measure.ts` tells it on its standard output: by peer. */
export type RoundResult = Readonly<Record<string, RunResult>>;
