import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: { name: "unit", include: ["tests/unit/**/*.test.ts", "tests/golden/**/*.test.ts"], testTimeout: 20_000 },
      },
      {
        test: {
          // Against the finished bundle and, where root and docker are at hand, real engines.
          name: "engine",
          include: ["tests/engine/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file runs its own engine on its own disk; two cores carry two of them.
          maxWorkers: 2,
        },
      },
    ],
  },
});
