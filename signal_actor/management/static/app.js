// What every page does with a script, and can do without.
import "./times.js";
import "./copy.js";
import "./ask.js";
import "./refresh.js";
