/**
 * The workloads, in the order of the report. To add one: describe it in a file about its subject; a new kind of client
 * goes into `clients/`, a new server into `bench/peers/`.
 */
import { echoWorkloads } from "./echo.ts";
import { fanoutWorkloads } from "./fanout.ts";
import { framingWorkloads } from "./framing.ts";
import { idleWorkloads } from "./idle.ts";
import { tlsWorkloads } from "./tls.ts";
import { udpWorkloads } from "./udp.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  ...echoWorkloads,
  ...framingWorkloads,
  ...fanoutWorkloads,
  ...idleWorkloads,
  ...udpWorkloads,
  ...tlsWorkloads,
];
