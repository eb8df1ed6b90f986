/** The kinds of socket that every transfer is made over. */
import { AF_INET, AF_INET6, AF_UNIX } from "asyncore";

export type Family = "tcp4" | "tcp6" | "unix";
export const families: readonly Family[] = ["tcp4", "tcp6", "unix"];

/** The `AF_` number of a family. */
export const afOf: Readonly<Record<Family, number>> = { tcp4: AF_INET, tcp6: AF_INET6, unix: AF_UNIX };
