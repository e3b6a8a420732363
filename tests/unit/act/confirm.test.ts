import { beforeEach, describe, expect, it } from "vitest";
import { Confirmation } from "../../../agent/act/confirm.ts";
import type { Report } from "../../../agent/act/report.ts";
import { type Fact, known, unknown } from "../../../agent/facts.ts";
import type { Judged } from "../../../agent/plan/plan.ts";

const object = (id: string): Judged => ({ kind: "container", id }) as Judged;
const [A, B, C] = [object("a"), object("b"), object("c")];
const REMOVED = { fate: "removed" } as const;

describe("what was removed by the word of an engine that nobody has proved", () => {
  let said: string[];
  let asked: string[][];
  /** What the looks find, one after the other; an error where nobody can tell. */
  let looks: (readonly string[] | Error)[];
  beforeEach(() => {
    said = [];
    asked = [];
  });

  const confirmation = (...answers: (readonly string[] | Error)[]) => {
    looks = answers;
    return new Confirmation(
      { journal: { emit: ({ event }) => said.push(event) } },
      {
        tell: ({ id }: Judged, { fate }: { fate: string }) => said.push(`${id} ${fate}`),
        takeBack: ({ id }: Judged) => said.push(`${id} is there after all`),
      } as unknown as Report,
      {
        stillThere: async (objects): Promise<Fact<ReadonlySet<string>>> => {
          asked.push(objects.map(({ id }) => id));
          const found = looks.shift() ?? [];
          return found instanceof Error
            ? unknown("what is still there", found.message)
            : known(new Set(found));
        },
      },
    );
  };

  it("is told once a look misses it, and from then on at once", async () => {
    const one = confirmation([]);
    await one.tell(A, REMOVED);
    await one.tell(B, REMOVED);
    expect([said, asked]).toEqual([["a removed", "b removed"], [["a"]]]);
    await one.settle();
    // What a look has missed is not looked for again.
    expect(asked.at(-1)).toEqual(["b"]);
  });

  it("waits where a look finds it, and has failed where the list at the end does", async () => {
    const one = confirmation(["a"], ["b"], ["b"]);
    await one.tell(A, REMOVED);
    await one.tell(B, REMOVED);
    expect(said).toEqual([]);
    await one.settle();
    expect(said).toEqual(["a removed", "b failed"]);
  });

  it("is told with the first that a look misses, where nobody could tell of it", async () => {
    const one = confirmation(new Error("busy"), ["b"], [], ["a"]);
    await one.tell(A, REMOVED);
    await one.tell(B, REMOVED);
    expect(said).toEqual([]);
    await one.tell(C, REMOVED);
    expect(said).toEqual(["a removed", "c removed"]);
    await one.settle();
    expect(asked.at(-1)).toEqual(["a", "b"]);
    expect(said.slice(2)).toEqual(["b removed", "a is there after all"]);
  });

  it("counts where nobody can tell at the end either, and the log says so", async () => {
    const one = confirmation(new Error("busy"), new Error("busy"));
    await one.tell(A, REMOVED);
    await one.settle();
    expect(said).toEqual(["fact.unknown", "a removed"]);
  });
});
