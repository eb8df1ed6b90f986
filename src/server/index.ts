/** The public API of `asyncore/server`: re-exports only. */
export * from "../bytes/proxy-header.ts";
export {
  encodeProxyHeader,
  type ProxyHeaderInit,
  ProxyHeaderParser,
  type ProxyParserOptions,
} from "../bytes/proxy-protocol.ts";
export { Admission, type AdmissionOptions, type AdmissionTicket, type Decision } from "./admission.ts";
export { CidrList } from "./cidr.ts";
export {
  type ProxyOutcome,
  type ProxyPolicy,
  proxyPolicy,
  type ProxyPolicyOptions,
  ProxyReader,
} from "./proxy-reader.ts";
export { TokenBucket } from "../base/token-bucket.ts";
export {
  type EvictReason,
  newServerStats,
  type RefuseReason,
  type ServerStats,
  sumServerStats,
  type TimeoutKind,
} from "./stats.ts";
export {
  type ThroughputLimits,
  throughputLimits,
  ThroughputMeter,
  type ThroughputSample,
} from "./throughput.ts";
export type { Drainable, DrainReport } from "./drain.ts";
export { type InheritedListener, inheritedListeners } from "./inherited.ts";
export { serve } from "./serve.ts";
export type { Handler, ServeOptions } from "./serve-options.ts";
export type { Server } from "./server.ts";
