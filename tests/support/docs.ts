/** The code blocks of one section of a page, in order; a section goes as far as the next heading. */
export function codeBlocks(page: string, section: string, language = "sh"): string[] {
  const text = page.split(/^#{2,3} /m).find((part) => part.startsWith(`${section}\n`));
  if (text === undefined) throw new Error(`no section "${section}"`);
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "gm"))].map(
    ([, code]) => code!,
  );
}
