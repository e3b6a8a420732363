/** What screen.ts uses of cliui 9, which comes with yargs and ships no types. */
declare module "cliui" {
  interface Column {
    readonly text: string;
    /** Columns of the terminal, padding included. */
    readonly width: number;
    /** Top, right, bottom, left. */
    readonly padding: readonly [number, number, number, number];
  }
  export default function cliui(options: { readonly width: number; readonly wrap: boolean }): {
    div(...columns: readonly Column[]): void;
    toString(): string;
  };
}
