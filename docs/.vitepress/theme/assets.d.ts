/** The types of the imported files that the compiler of TypeScript does not read: components of Vue, and style sheets. */

declare module "*.vue" {
  import type { Component } from "vue";

  const component: Component;
  export default component;
}

declare module "*.css";
