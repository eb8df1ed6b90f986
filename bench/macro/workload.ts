/**
 * The words of the macro benches. A workload is data: which servers, what the client does, which figures come out and
 * what is promised about them. The runner, the client programs and the report know nothing of a particular one.
 */

/** What a client does; the program for each kind is in `clients/`. */
export type ClientJob =
  /** Every connection sends a message, waits for all of it to come back, sends the next. */
  | { readonly kind: "echo"; readonly connections: number; readonly bytes: number }
  /** Every connection keeps packets of lines in flight; each line comes back. A message is a line. */
  | {
      readonly kind: "lines";
      readonly connections: number;
      readonly linesPerPacket: number;
      readonly lineBytes: number;
      readonly packetsInFlight: number;
    }
  /** Connections are opened and left alone; memory is the figure. */
  | { readonly kind: "idle"; readonly connections: number }
  /** The server makes passes of its loop over so many idle channels, one number of them after the other. */
  | { readonly kind: "passes"; readonly channels: readonly number[] };

export type Runtime = "bun" | "node" | "python";

/** A server program. */
export interface Peer {
  readonly name: string;
  /** File name in `bench/peers/`. */
  readonly program: string;
  readonly args?: readonly string[];
  /** Default: the Bun that runs the bench. Where there is no other one, its peers are left out; see `runtimes.ts`. */
  readonly runtime?: Runtime;
}

/** What one run of one peer brought, by name. */
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
}

/** How long one run takes. */
export interface Timing {
  /** Load before the window: at least so long … */
  readonly warmupMs: number;
  /** … and until so many messages came back, for the JIT counts calls; but at most three times `warmupMs`. */
  readonly warmupMessages: number;
  readonly windowMs: number;
}

/** How to start the server of a peer. */
export interface ServerCommand {
  readonly peer: string;
  readonly command: readonly string[];
}

/** One round, as `measure.ts` gets it on its command line. */
export interface RoundRequest {
  readonly servers: readonly ServerCommand[];
  readonly client: ClientJob;
  readonly timing: Timing;
}

/** What one peer did in a round. */
export type RunResult =
  | { readonly figures: Figures; readonly notes: readonly string[] }
  | { readonly broken: string };

/** One round, as `measure.ts` tells it on its standard output: by peer. */
export type RoundResult = Readonly<Record<string, RunResult>>;
