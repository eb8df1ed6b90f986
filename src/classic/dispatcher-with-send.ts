/** asyncore's `dispatcher_with_send`: the core's `DispatcherWithSend` with Python's names. */
import { DispatcherWithSend } from "../dispatcher/dispatcher-with-send.ts";
import { type Named, pythonNames } from "./dispatcher.ts";

const NamedWithSend: Named<typeof DispatcherWithSend> = pythonNames(DispatcherWithSend);

/** `DispatcherWithSend` with Python's names. */
export class dispatcher_with_send extends NamedWithSend {
  override initiateSend(): void {
    this.initiate_send();
  }
  /** `DispatcherWithSend.initiateSend()` */
  initiate_send(): void {
    super.initiateSend();
  }
}
