// node build.mjs SOURCE WIT OUT: makes a component of one script, for the world of a folder of interfaces.

import { writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { componentize } from "@bytecodealliance/componentize-js";

const [source, wit, out] = process.argv.slice(2).map((path) => resolve(path));
// It finds scripts below the folder that it runs in.
process.chdir(dirname(source));
// Requests go out through belljar:component/http.
const { component } = await componentize({ sourcePath: source, witPath: wit, worldName: "applet", disableFeatures: ["http", "fetch-event"] });
writeFileSync(out, component);
