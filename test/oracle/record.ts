/** Records what CPython's asyncore does in every scenario: `bun test/oracle/record.ts`, with ASYNCORE_PYTHON set if need be. */
import { asyncorePython, forEachVariant, runPython, writeRecorded } from "./harness.ts";

const executable = asyncorePython;
if (executable === undefined) throw new Error("no Python with asyncore: 3.11 is the last that has it");
await writeRecorded(await forEachVariant((variant) => runPython(executable, variant)));
