import { defineConfig } from "vite";

/** Built files go where the package ships them; their names carry a hash of their content. */
export default defineConfig({
  base: "/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // `npx vite` beside a running `headrace serve`.
  server: { proxy: { "/v1": "http://127.0.0.1:8081" } },
});
