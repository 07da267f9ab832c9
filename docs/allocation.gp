# SPDX-License-Identifier: MIT
# docs/allocation.dat -> docs/allocation.svg; see tools/plot-allocation
set terminal svg size 960,460 font "sans-serif,13" background "white"
set output "allocation.svg"
set title "Order 0, one thread; lower is better"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 noborder
set boxwidth 0.9
set logscale y
set yrange [0.1:1000]
set ytics (0.1, 1, 10, 100, 1000)
set grid ytics
set xtics nomirror scale 0 rotate by -18
set key top left vertical
set ylabel "x one uncontended compare-exchange"
array colour[4] = ["#1b6ca8", "#e07b39", "#3a9d5d", "#8e5ea2"]
plot for [i=2:5] "allocation.dat" using i:xtic(1) title columnheader(i) lc rgb colour[i-1]
