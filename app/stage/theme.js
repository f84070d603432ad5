// Colours and letters of the canvases, read from the style sheet, so that light and dark are decided in one place.

import { BONUS, CORRECTED, KEPT, PENDING, THROWN, TOLERATED, UNVERIFIED } from "./fold.js";

const NAMES = [
  "ink", "muted", "faint", "line", "card", "ground", "well", "accent", "accent-soft", "kept", "corrected",
  "corrected-text", "bonus", "bonus-soft", "bonus-text", "pending", "pending-text", "thrown", "on-strong", "alarm",
];

export function readTheme(element) {
  const style = getComputedStyle(element);
  const theme = { family: style.fontFamily };
  for (const name of NAMES) {
    const key = name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
    theme[key] = style.getPropertyValue("--sd-" + name).trim();
  }
  theme.verdicts = { [PENDING]: theme.pending, [KEPT]: theme.kept, [CORRECTED]: theme.corrected,
    [BONUS]: theme.bonusSoft, [THROWN]: theme.thrown, [TOLERATED]: theme.accentSoft, [UNVERIFIED]: theme.pending };
  theme.low = rgb(theme.well);
  theme.high = rgb(theme.accent);
  theme.warm = rgb(theme.corrected);
  theme.codes = [];
  return theme;
}

export function font(theme, size, weight = 400) {
  return weight + " " + size + "px " + theme.family;
}

// A colour between two, as the share of the second.
export function mix(from, to, share) {
  const at = Math.min(Math.max(share, 0), 1);
  return "rgb(" + from.map((value, i) => Math.round(value + (to[i] - value) * at)).join(",") + ")";
}

// Neighbouring codes get hues far apart (the golden angle), so that equal colours mean equal codes.
export function codeColour(theme, code) {
  if (!theme.codes[code]) {
    const hue = (code * 137.508) % 360;
    theme.codes[code] = "hsl(" + hue.toFixed(1) + "," + (30 + (code % 3) * 12) + "%," + (46 + (code % 4) * 7) + "%)";
  }
  return theme.codes[code];
}

export function rgb(hex) {
  const digits = hex.replace("#", "");
  return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
}
