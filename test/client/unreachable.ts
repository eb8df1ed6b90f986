// Run in a network namespace of its own where even the loopback device is down: says how a connect ends.
import { connect, type ConnectFailedError } from "asyncore";

const addresses = { 4: ["192.0.2.1", "127.0.0.1"], 6: ["2001:db8::1"] };
try {
  await connect(["db.example", 9], { lookup: (_host, family) => addresses[family] });
} catch (error) {
  const { code, errors } = error as ConnectFailedError;
  console.log(JSON.stringify({ code, addresses: errors.map(({ address }) => address) }));
}
