#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The page in headless Chromium, at the width of a desktop and of a phone, light and dark: nothing wider than the
# window, no text of a plot cut off or over another, none too small or too faint to read. Measured in a copy of the page with a
# script; the page itself has none. With a second folder the screenshots stay there.
# Usage: report_browser.sh LLFREE-REPORT REPORT_MAKE [FOLDER]      exit 77: no Chromium or no gnuplot here
set -euo pipefail
report=$1 make=$2 keep=${3:-}
browser=
for candidate in chromium chromium-browser google-chrome; do
	[[ -n $browser ]] || browser=$(command -v $candidate || true)
done
[[ -n $browser ]] || { echo "SKIPPED: no Chromium (Debian: chromium)" && exit 77; }
command -v gnuplot >/dev/null || { echo "SKIPPED: no gnuplot (Debian: gnuplot-nox)" && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/results"
"$make" all "$work/results" 11
"$report" -o "$work/page" "$work/results" >/dev/null

cat >"$work/measure.js" <<'JS'
addEventListener("load", () => {
	const found = [], light = color => {
		const [r, g, b] = color.match(/[\d.]+/g).map(c => { c /= 255; return c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; });
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const contrast = (a, b) => (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
	const wide = document.documentElement.scrollWidth;
	if (wide > innerWidth) found.push(`the page is ${wide} wide`);
	let texts = 0, plots = 0;
	for (const plot of document.querySelectorAll("svg")) {
		const frame = plot.getBoundingClientRect();
		if (frame.width === 0) continue;
		plots++;
		const behind = light(getComputedStyle(plot.closest("figure")).backgroundColor), where = plot.getAttribute("aria-label");
		const boxes = [...plot.querySelectorAll("text")].filter(t => t.textContent.trim())
			.map(t => ({ text: t.textContent.trim(), box: t.getBoundingClientRect(), ink: light(getComputedStyle(t).fill),
				size: parseFloat(getComputedStyle(t).fontSize) * frame.width / plot.viewBox.baseVal.width }));
		boxes.forEach((one, at) => {
			texts++;
			if (one.box.left < frame.left - 1 || one.box.right > frame.right + 1 || one.box.top < frame.top - 1 || one.box.bottom > frame.bottom + 1)
				found.push(`${where}: "${one.text}" is cut off`);
			if (one.size < 9.5) found.push(`${where}: "${one.text}" has ${one.size.toFixed(1)} px`);
			if (contrast(one.ink, behind) < 2.5) found.push(`${where}: "${one.text}" has contrast ${contrast(one.ink, behind).toFixed(2)}`);
			for (const other of boxes.slice(at + 1)) {
				const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
				const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
				if (across > 1.5 && down > 3.5) found.push(`${where}: "${one.text}" over "${other.text}" by ${across.toFixed(0)}x${down.toFixed(0)}`);
			}
		});
	}
	for (const element of document.querySelectorAll("p, li, dd, dt, h1, h2, h3, figcaption"))
		if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0) found.push(`cut off: ${element.textContent.slice(0, 40)}`);
	for (const cell of document.querySelectorAll("td, th"))
		if (!cell.closest(".scroll")) found.push("a table without a box of its own");
	const dark = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
	parent.postMessage(`VERDICT ${innerWidth} ${dark}: ${plots} plots, ${texts} texts, ${found.length} faults\n${found.join("\n")}\nEND`, "*");
});
JS
{
	sed '/<\/body>/,$d' "$work/page/index.html"
	echo "<script>"
	cat "$work/measure.js"
	echo "</script></body></html>"
} >"$work/measured.html"
# in a frame, since windows have a least width
for width in 1280 390; do
	cat >"$work/frame-$width.html" <<HTML
<!DOCTYPE html><meta charset="utf-8"><style>body { margin: 0 } iframe { border: 0 }</style>
<iframe src="measured.html" width="$width" height="15000"></iframe><pre id="verdict"></pre>
<script>addEventListener("message", event => { document.getElementById("verdict").textContent = event.data; });</script>
HTML
done

chromium_run() { # WIDTH THEME PAGE ARG...
	local width=$1 theme=$2 page=$3
	shift 3
	timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --user-data-dir="$work/profile-$width-$theme" \
		--blink-settings=preferredColorScheme="$theme" --window-size="$width",15000 --virtual-time-budget=60000 "$@" "file://$page" 2>"$work/log"
}

failed=0
for width in 1280 390; do
	for theme in 0 1; do
		name=$([[ $theme == 0 ]] && echo dark || echo light)
		chromium_run $width $theme "$work/frame-$width.html" --dump-dom >"$work/dom" || { tail -n 5 "$work/log" && exit 1; }
		sed -n '/id="verdict">VERDICT/,/^END/p' "$work/dom" | sed 's/.*>VERDICT/VERDICT/; /^END/d; /^$/d' >"$work/verdict"
		cat "$work/verdict"
		grep -qE "^VERDICT $width $name: [1-9][0-9]* plots, [1-9][0-9]* texts, 0 faults" "$work/verdict" || failed=1
		[[ -z $keep ]] || chromium_run $width $theme "$work/page/index.html" --screenshot="$keep/page-$width-$name.png" >/dev/null
	done
done
exit $failed
