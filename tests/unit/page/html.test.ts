import { describe, expect, it } from "vitest";
import { html, Markup } from "../../../agent/page/html.ts";

describe("what comes into a page", () => {
  it.each([
    ["<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"],
    [`" onmouseover='x`, "&quot; onmouseover=&#39;x"],
    ["&lt;", "&amp;lt;"],
    ["\u202eabc\u2066", "\\u202eabc\\u2066"],
    ["a\u0000\u001bb\n", "a\\u0000\\u001bb\\u000a"],
    ["é 漢 ש", "é 漢 ש"],
  ])("%j is escaped, in text and in attributes", (text, safe) => {
    expect(html`<p title="${text}">${text}</p>`.toString()).toBe(`<p title="${safe}">${safe}</p>`);
  });

  it("is left as it is where it is markup already, at any depth", () => {
    const inner = html`<b>${"<"}</b>`;
    expect(html`<p>${[inner, [inner, "<i>"]]}</p>`.toString()).toBe("<p><b>&lt;</b><b>&lt;</b>&lt;i&gt;</p>");
  });

  it("is nothing where there is nothing", () => {
    expect(html`<p>${null}${undefined}${false}${""}${0}</p>`.toString()).toBe("<p>0</p>");
  });

  it("does not become markup by looking like it", () => {
    const fake = { toString: () => "<script>" } as never;
    expect(() => html`${fake}`.toString()).toThrow();
    expect(Markup.trusted("<b>").toString()).toBe("<b>");
  });
});
