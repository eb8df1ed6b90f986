import { describe, expect, test } from "bun:test";

import * as fc from "fast-check";

import { Place, RecencyList, unlink } from "../../src/server/recency.ts";

describe("RecencyList", () => {
  test("is an array from which what is touched moves to the end", () => {
    const steps = fc.array(
      fc.tuple(fc.constantFrom("touch", "touch", "unlink"), fc.integer({ min: 0, max: 7 })),
      { maxLength: 100 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const list = new RecencyList<number>();
        const places = Array.from({ length: 8 }, (_, value) => new Place(value));
        let model: number[] = [];
        expect(list.oldest).toBeUndefined();
        for (const [action, value] of all) {
          const place = places[value] as Place<number>;
          model = model.filter((other) => other !== value);
          if (action === "touch") {
            list.touch(place);
            model.push(value);
          } else unlink(place);
          expect(list.oldest).toBe(model[0]);
        }
        for (const value of model) {
          expect(list.oldest).toBe(value);
          unlink(places[value] as Place<number>);
        }
        expect(list.oldest).toBeUndefined();
      }),
    );
  });
});
