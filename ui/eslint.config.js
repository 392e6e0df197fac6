// Rules for the window's inside. The one of ours: only `src/lib/backend` (and the generated bindings) know Tauri.
import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["dist/", "dist-fake/", "node_modules/", "src/lib/bindings.ts"] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    rules: {
      "no-undef": "off",
      // Local bookkeeping that nothing on the screen reads needs no signals.
      "svelte/prefer-svelte-reactivity": "off",
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/consistent-type-imports": "error",
    },
  },
  {
    files: ["src/**"],
    ignores: ["src/lib/backend/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["@tauri-apps/*"], message: "Only src/lib/backend knows Tauri: ask through Backend." },
            {
              group: ["**/bindings", "**/bindings.ts"],
              message: "Take types from backend/types, calls from Backend.",
            },
          ],
        },
      ],
      "no-restricted-globals": [
        "error",
        { name: "fetch", message: "The window asks the engine, nobody else." },
      ],
    },
  },
  {
    // Names from a site are data: nothing of them is ever read as markup.
    files: ["**/*.svelte"],
    rules: { "svelte/no-at-html-tags": "error" },
  },
);
