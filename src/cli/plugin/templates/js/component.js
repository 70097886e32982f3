// Where muster and the matcher meet. There is nothing to change here: the matcher is plugin.js.
import { log } from "muster:matcher/host@0.1.0";
import { component } from "./muster.js";
import * as matcher from "./plugin.js";

export const plugin = component(matcher, log);
