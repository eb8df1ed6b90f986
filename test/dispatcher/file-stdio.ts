// Standard input, upper-cased, to standard output; both are channels.
import { FileDispatcher } from "../../src/dispatcher/file-dispatcher.ts";

class Output extends FileDispatcher {
  override writable(): boolean {
    input.wake();
    return false;
  }
}
class Input extends FileDispatcher {
  override readable(): boolean {
    return output.bufferedAmount < 65_536;
  }
  override handleRead(): void {
    output.send(this.recv().toString("latin1").toUpperCase());
  }
  override handleClose(): void {
    this.close();
    output.close();
  }
}
const output = new Output(process.stdout);
const input: Input = new Input({ fileno: () => 0 });
