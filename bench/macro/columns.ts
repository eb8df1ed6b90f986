/** The columns that the tables of several workloads share. */
import type { Column } from "./workload.ts";

const cpuColumns: readonly Column[] = [
  { figure: "cpuUsPerMessage", title: "CPU us/message", digits: 3 },
  { figure: "userUsPerMessage", title: "user", digits: 3 },
  { figure: "systemUsPerMessage", title: "system", digits: 3 },
];
const machineColumns: readonly Column[] = [
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
  { figure: "serverCpuShare", title: "CPUs: server", digits: 2 },
  { figure: "generatorCpuShare", title: "generator", digits: 2 },
];
const latencyColumns: readonly Column[] = [
  { figure: "p50Us", title: "p50 us", digits: 0 },
  { figure: "p99Us", title: "p99", digits: 0 },
  { figure: "p999Us", title: "p99.9", digits: 0 },
];

export const trafficColumns: readonly Column[] = [
  { figure: "messagesPerSecond", title: "messages/s", digits: 0 },
  { figure: "bytesPerSecond", title: "MB/s", digits: 1, per: 1e6 },
  ...latencyColumns,
  ...cpuColumns,
  ...machineColumns,
];

export const churnColumns: readonly Column[] = [
  { figure: "messagesPerSecond", title: "connections/s", digits: 0 },
  ...latencyColumns,
  ...cpuColumns.map((column) => ({ ...column, title: column.title.replace("message", "connection") })),
  ...machineColumns,
];

export const stalledColumns: readonly Column[] = [
  ...trafficColumns,
  { figure: "cuts", title: "cuts", digits: 0 },
  { figure: "cutAfterBytes", title: "after MB", digits: 1, per: 1e6 },
];

export const idleColumns: readonly Column[] = [
  { figure: "connections", title: "connections", digits: 0 },
  { figure: "bytesPerConnection", title: "RSS bytes/connection", digits: 0 },
  { figure: "heapBytesPerConnection", title: "of it JS heap", digits: 0 },
  { figure: "bytesPerUsedConnection", title: "after one echo each", digits: 0 },
  { figure: "cpuMsPerSecond", title: "CPU ms/s", digits: 2 },
  { figure: "peakRssBytes", title: "peak RSS MB", digits: 1, per: 1e6 },
];

export const passColumns: readonly Column[] = [
  { figure: "usPerPass0", title: "us/pass with 0", digits: 1 },
  { figure: "usPerPass1000", title: "1,000", digits: 1 },
  { figure: "usPerPass10000", title: "10,000 channels", digits: 1 },
  { figure: "nsPerChannel", title: "ns/channel", digits: 1 },
  { figure: "growth", title: "most : 0", digits: 2 },
];
