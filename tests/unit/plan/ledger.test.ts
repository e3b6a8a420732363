import { expect, it } from "vitest";
import { runsOf } from "../../../agent/plan/ledger.ts";

const image = (id: string) => ({ id, repository: id.split(":")[0]!, layers: [], bytes: null });
const use = (at: number, id: string, group: string | null = null) => ({ at, image: image(id), group });

function shown(...uses: ReturnType<typeof use>[]): string[] {
  return runsOf(uses).map(
    ({ at, project, images }) => `${at} ${project}: ${images.map(({ id }) => id).join(", ")}`,
  );
}

it("takes uses of one group for a run, in order of their first use", () => {
  expect(shown(use(0, "db:1", "p"), use(1, "x:1", "q"), use(5, "app:1", "p"), use(9, "app:1", "p"))).toEqual([
    "0 app db: db:1, app:1",
    "1 x: x:1",
  ]);
});

it("ends a run when its group is quiet for more than ten minutes", () => {
  expect(shown(use(0, "a:1", "p"), use(600, "b:1", "p"), use(1201, "a:1", "p"))).toEqual([
    "0 a b: a:1, b:1",
    "1201 a: a:1",
  ]);
});

it("takes a use without a group for a run of its own", () => {
  expect(shown(use(0, "a:1"), use(0, "a:1"))).toEqual(["0 a: a:1", "0 a: a:1"]);
});

it("knows a project by the set of its repositories, not by the label, the tags or their order", () => {
  const first = [use(0, "b:1", "run-17"), use(1, "a:1", "run-17"), use(2, "b:2", "run-17")];
  const [one, other] = runsOf([...first, use(5000, "a:9", "run-18"), use(5001, "b:9", "run-18")]);
  expect([one?.project, other?.project]).toEqual(["a b", "a b"]);
});
