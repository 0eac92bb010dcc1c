// The listening dashboard. In: the JSON element #data, whose fields listening_data.py describes.
// Out: the charts, readings and tables of the chosen period and genre.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const form = document.querySelector("form.filters");
  const ALL = data.periods.length;
  const DAY = 86400000;
  const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

  // ---- words and numbers

  const plain = new Intl.NumberFormat("en-GB");
  const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumSignificantDigits: 3 });
  const dated = (options) => {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
    return (date) => format.format(date);
  };
  const dayMonth = dated({ day: "numeric", month: "short" });
  const dayMonthYear = dated({ day: "numeric", month: "short", year: "numeric" });
  const weekdayDate = dated({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
  const monthName = dated({ month: "short" });
  const year = dated({ year: "numeric" });
  const few = (value) => (value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
  const count = (value) => plain.format(few(value));
  const percent = (share) => {
    const value = 100 * share;
    return `${value > 0 && value < 1 ? "< 1" : Math.round(value)} %`;
  };
  const counted = (value, one, many) => `${plain.format(value)} ${value === 1 ? one : many}`;
  const escaped = (text) =>
    String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
  const hour = (value) => `${String(value).padStart(2, "0")}:00`;
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const iso = (date) => date.toISOString().slice(0, 10);
  const dateOf = (text) => new Date(`${text}T00:00:00Z`);
  const series = (first, length, step) =>
    Array.from({ length }, (_, index) => new Date(first.getTime() + index * step * DAY));
  const genreName = (name) => name || "No genre named";

  // ---- what is chosen

  const lastDay = dateOf(data.last_day);
  const knownFrom = data.known_from && dateOf(data.known_from);
  const known = knownFrom ? ` Known from ${dayMonthYear(knownFrom)} on.` : "";
  const notKnown = knownFrom
    ? `Not shown yet: days are known from ${dayMonthYear(knownFrom)} on. What the first crawl found is older, and the source does not say when it was played.`
    : null;
  const days = series(dateOf(data.first_charted_day), data.days[0].length, 1);
  const weeks = series(dateOf(data.first_week), data.active[0].length, 7);

  const chosen = () => {
    const period = Number(form.elements.period.value);
    const selection = Number(form.elements.genre.value);
    const length = period === ALL ? days.length : Math.min(data.periods[period], days.length);
    return { period, selection, length, totals: data.totals[selection][period] };
  };
  // whether the period as long before this one is known, all of it
  const isComparable = ({ period, length }) => {
    const since = days[days.length - 2 * length];
    return (
      period !== ALL && length === data.periods[period] &&
      since !== undefined && (!knownFrom || since >= knownFrom)
    );
  };
  const periodInWords = ({ period }) =>
    period === ALL ? "in the whole time" : `in the last ${data.periods[period]} days`;
  const genreInWords = ({ selection }) => {
    if (selection === 0) return "";
    const name = data.genres[selection - 1];
    return name ? ` to ${name}` : " to tracks without a genre";
  };

  // ---- how charts look

  let ink = {};
  const readColours = () => {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["card", "line", "ink", "soft", "accent", "tint", "quiet", "faint", "on-accent", "turn"]) {
      ink[name] = style.getPropertyValue(`--${name}`).trim();
    }
  };
  const FONT = getComputedStyle(document.body).fontFamily;
  const base = () => ({
    animation: false,
    textStyle: { fontFamily: FONT },
    tooltip: {
      confine: true,
      backgroundColor: ink.card,
      borderColor: ink.line,
      padding: [6, 10],
      extraCssText: "box-shadow: 0 2px 10px rgba(0,0,0,.14); white-space: normal; max-width: 260px",
      textStyle: { color: ink.ink, fontSize: 13, fontFamily: FONT },
    },
  });
  const label = (more) => ({ color: ink.soft, fontSize: 12, ...more });
  const bare = { axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false } };
  const valueAxis = () => ({
    type: "value",
    minInterval: 1,
    splitNumber: 4,
    axisLabel: label({ formatter: (value) => compact.format(value) }),
    splitLine: { lineStyle: { color: ink.line } },
  });
  const legend = () => ({
    top: 0, left: 0, itemWidth: 14, itemHeight: 8, itemGap: 16, selectedMode: false, icon: "roundRect",
    textStyle: { color: ink.soft, fontSize: 12 },
  });
  // as many marks on a time axis as fit: days, Mondays, or first weeks and days of months
  const timeAxis = (dates, width, step) => {
    const room = Math.max(2, Math.floor(width / 66));
    const span = dates.length * step;
    const fitting = (candidates) =>
      candidates.filter((_, index) => index % Math.ceil(candidates.length / room) === 0);
    const indexes = dates.map((_, index) => index);
    let marks;
    let text = dayMonth;
    if (span <= 120) {
      marks = fitting(indexes.filter((index) => step > 1 || span <= 10 || dates[index].getUTCDay() === 1));
    } else {
      const months = indexes.filter((index) => dates[index].getUTCDate() <= step);
      const every = [1, 2, 3, 6, 12].find((size) => months.length / size <= room) || 12;
      marks = months.filter((index) => dates[index].getUTCMonth() % every === 0);
      text = (date) =>
        date.getUTCMonth() === 0 || every === 12 ? `${monthName(date)} ${year(date)}` : monthName(date);
    }
    // a word half of which would stand beyond the right edge is left out
    const isWithin = (index) => (width - 60) * (1 - (index + 0.5) / dates.length) > 12;
    const marked = new Set(marks.filter(isWithin));
    return {
      type: "category",
      data: dates.map(iso),
      axisLine: { lineStyle: { color: ink.line } },
      axisTick: { show: true, lineStyle: { color: ink.line }, interval: (index) => marked.has(index), alignWithLabel: true },
      axisLabel: label({
        interval: (index) => marked.has(index),
        formatter: (_, index) => text(dates[index]),
        hideOverlap: true,
        margin: 12,
      }),
    };
  };

  // a bar per row, its name above it, its value at the end of the line
  const ranking = (rows, width, colourOf) => {
    const names = rows.map((row) => row.name);
    const end = { ...bare, type: "category", inverse: true };
    const above = { inside: true, margin: 0, verticalAlign: "bottom", padding: [0, 0, 9, 0] };
    return {
      ...base(),
      grid: { left: 0, right: 0, top: 14, bottom: 0 },
      xAxis: { type: "value", show: false, max: Math.max(...rows.map((row) => row.value)) },
      yAxis: [
        {
          ...end,
          data: names.map((_, index) => String(index)),
          axisLabel: {
            ...above, color: ink.ink, fontSize: 13, align: "left", interval: 0,
            width: width - (rows.some((row) => row.moved) ? 118 : 64), overflow: "truncate", ellipsis: "…",
            formatter: (index) => names[index],
          },
        },
        {
          ...end,
          position: "right",
          data: names.map((_, index) => String(index)),
          axisLabel: {
            ...above, color: ink.soft, fontSize: 13, align: "right", interval: 0,
            formatter: (index) =>
              (rows[index].moved ? `{moved|${rows[index].moved}}` : "") + plain.format(rows[index].value),
            rich: { moved: { color: ink.soft, fontSize: 12, width: 50, align: "left" } },
          },
        },
      ],
      tooltip: {
        ...base().tooltip,
        formatter: ({ dataIndex }) =>
          `<b>${escaped(rows[dataIndex].name)}</b><br>${counted(rows[dataIndex].value, "listen", "listens")}`,
      },
      series: [{
        type: "bar",
        barWidth: 6,
        showBackground: true,
        backgroundStyle: { color: ink.faint, borderRadius: 3 },
        itemStyle: { borderRadius: 3 },
        cursor: rows.some((row) => row.selection) ? "pointer" : "default",
        data: rows.map((row) => ({ value: row.value, itemStyle: { color: colourOf(row) } })),
      }],
    };
  };
  const ROW = 35;

  // ---- the charts: what each says, draws and lists

  const notShown = (head) => ({ isEmpty: true, empty: notKnown, reading: "", head, rows: [] });

  const listening = {
    days: (state) => {
      const counts = data.days[state.selection];
      const start = days.length - state.length;
      const shown = counts.slice(start);
      const dates = days.slice(start);
      const means = shown.map((_, index) => {
        const end = start + index + 1;
        return end < 7 ? null : sum(counts.slice(end - 7, end)) / 7;
      });
      const highest = shown.indexOf(Math.max(...shown));
      const unseen = state.period === ALL ? state.totals[0] - sum(shown) : 0;
      if (!shown.length) return notShown(["Day", "Listens", "7-day mean"]);
      return {
        isEmpty: sum(shown) === 0,
        reading:
          `${count(sum(shown) / shown.length)} a day on average; most on ` +
          `${weekdayDate(dates[highest])}, ${plain.format(shown[highest])}.` +
          known +
          (unseen ? ` ${plain.format(unseen)} earlier listens are in the totals only.` : ""),
        option: (width) => {
          const bars = shown.length <= 92;
          return {
            ...base(),
            legend: legend(),
            grid: { left: 4, right: 14, top: 34, bottom: 10, containLabel: true },
            xAxis: { ...timeAxis(dates, width, 1), boundaryGap: bars },
            yAxis: valueAxis(),
            tooltip: {
              ...base().tooltip,
              trigger: "axis",
              axisPointer: { type: "line", lineStyle: { color: ink.soft, type: "dotted" } },
              formatter: ([{ dataIndex }]) =>
                `<b>${weekdayDate(dates[dataIndex])}</b><br>${counted(shown[dataIndex], "listen", "listens")}` +
                (means[dataIndex] === null ? "" : `<br>7-day mean ${count(means[dataIndex])}`),
            },
            series: [
              {
                name: "Listens a day",
                data: shown,
                itemStyle: { color: ink.quiet, borderRadius: [2, 2, 0, 0] },
                ...(bars
                  ? { type: "bar", barCategoryGap: "25%", barMaxWidth: 44 }
                  : { type: "line", symbol: "none", lineStyle: { color: ink.quiet, width: 1 }, areaStyle: { color: ink.quiet, opacity: 0.25 } }),
              },
              {
                name: "Mean of 7 days", type: "line", data: means, symbol: "none", z: 3,
                itemStyle: { color: ink.accent }, lineStyle: { color: ink.accent, width: 2.2 },
              },
            ],
          };
        },
        head: ["Day", "Listens", "7-day mean"],
        rows: dates.map((date, index) => [
          dayMonthYear(date), plain.format(shown[index]), means[index] === null ? "–" : count(means[index]),
        ]).reverse(),
      };
    },

    tracks: (state) => {
      const rows = data.tracks[state.selection][state.period].map(([name, artist, value, before]) => ({
        name: `${name || "Unnamed track"}${artist ? ` · ${artist}` : ""}`, value, before,
      }));
      return ranked(rows, state, "Track");
    },

    artists: (state) => {
      const rows = data.artists[state.selection][state.period]
        .map(([name, value, before]) => ({ name, value, before }));
      return ranked(rows, state, "Artist");
    },

    genres: (state) => {
      const total = data.totals[0][state.period][0];
      const selectionOf = (name) => data.genres.indexOf(name) + 1;
      const rows = data.genre_charts[state.period].map(([name, value]) => ({
        name: genreName(name), value, selection: selectionOf(name),
      }));
      const isChosen = (row) => state.selection > 0 && row.selection === state.selection;
      if (state.selection > 0 && state.totals[0] > 0 && !rows.some(isChosen)) {
        const name = genreName(data.genres[state.selection - 1]);
        rows.splice(rows.length - 1, 1, { name, value: state.totals[0], selection: state.selection });
      }
      const row = rows.find(isChosen) || rows[0];
      const colourOf = (each) => (state.selection === 0 || isChosen(each) ? ink.accent : ink.quiet);
      return {
        isEmpty: rows.length === 0,
        empty: `No listens ${periodInWords(state)}.`,
        reading: row ? `${row.name}: ${percent(row.value / total)} of all listens. Choose one to see it alone.` : "",
        height: rows.length * ROW,
        option: (width) => ranking(rows, width, colourOf),
        onClick: (index) => choose(rows[index].selection === state.selection ? 0 : rows[index].selection),
        head: ["Genre", "Listens", "Share of all"],
        rows: rows.map((each) => [each.name, plain.format(each.value), percent(each.value / total)]),
      };
    },

    weeks: (state) => {
      if (!weeks.length) return notShown(["Week of", "Listeners", "New"]);
      const periodStart = days[days.length - state.length].getTime();
      const start = weeks.findIndex((week) => week.getTime() + 7 * DAY > periodStart);
      const dates = weeks.slice(start);
      const active = data.active[state.selection].slice(start);
      const fresh = data.new[state.selection].slice(start);
      const returning = active.map((value, index) => value - fresh[index]);
      const highest = active.indexOf(Math.max(...active));
      const isPart = lastDay.getTime() - weeks[weeks.length - 1].getTime() < 6 * DAY;
      const ofPart = (index) => (isPart && index === active.length - 1 ? { opacity: 0.5 } : {});
      return {
        isEmpty: sum(active) === 0,
        reading:
          `Most in the week of ${dayMonthYear(dates[highest])}: ${plain.format(active[highest])}, ` +
          `${plain.format(fresh[highest])} of them new.${known}` +
          (isPart ? ` The last week ends on ${dayMonth(lastDay)}.` : ""),
        option: (width) => ({
          ...base(),
          legend: legend(),
          grid: { left: 4, right: 14, top: 34, bottom: 8, containLabel: true },
          xAxis: timeAxis(dates, width, 7),
          yAxis: valueAxis(),
          tooltip: {
            ...base().tooltip,
            trigger: "axis",
            axisPointer: { type: "shadow", shadowStyle: { color: ink.faint, opacity: 0.6 } },
            formatter: ([{ dataIndex }]) =>
              `<b>Week of ${dayMonthYear(dates[dataIndex])}</b><br>` +
              `${counted(active[dataIndex], "listener", "listeners")}, ${plain.format(fresh[dataIndex])} new`,
          },
          series: [
            ["Listened before", returning, ink.quiet],
            ["New", fresh, ink.accent],
          ].map(([name, values, color]) => ({
            name, type: "bar", stack: "listeners", barCategoryGap: "22%", barMaxWidth: 44, itemStyle: { color },
            data: values.map((value, index) => ({ value, itemStyle: ofPart(index) })),
          })),
        }),
        head: ["Week of", "Listeners", "New"],
        rows: dates.map((date, index) => [
          dayMonthYear(date), plain.format(active[index]), plain.format(fresh[index]),
        ]).reverse(),
      };
    },

    cohorts: () => {
      const cohorts = data.cohorts.map(([week, counts]) => ({ week: dateOf(week), counts }));
      const share = ({ counts }, week) => counts[week] / counts[0];
      const longest = Math.max(0, ...cohorts.map(({ counts }) => counts.length - 1));
      const after1 = sum(cohorts.map(({ counts }) => counts[1])) / sum(cohorts.map(({ counts }) => counts[0]));
      const highest = Math.max(0.01, ...cohorts.flatMap(({ counts }) => counts.slice(1).map((value) => value / counts[0])));
      return {
        isEmpty: cohorts.length === 0,
        empty: `Not shown yet: no week of first listens is followed by another whole week.${known}`,
        reading: `Per cent of each week's new listeners who listen again, by weeks since; ${percent(after1)} do a week later.${known} No filter applies.`,
        height: cohorts.length * 24 + 70,
        option: (width) => {
          const shown = Math.min(longest, width < 420 ? 8 : 12);
          return {
            ...base(),
            grid: { left: 2, right: 2, top: 4, bottom: 30, containLabel: true },
            xAxis: {
              ...bare, type: "category", data: Array.from({ length: shown }, (_, week) => week + 1),
              name: "weeks since the first listen", nameLocation: "middle", nameGap: 26,
              nameTextStyle: { color: ink.soft, fontSize: 12 }, axisLabel: label({ interval: 0 }),
            },
            yAxis: {
              ...bare, type: "category", inverse: true, data: cohorts.map(({ week }) => iso(week)),
              axisLabel: label({
                interval: 0,
                formatter: (_, index) => `{week|${dayMonth(cohorts[index].week)}}{size|${compact.format(cohorts[index].counts[0])}}`,
                rich: {
                  week: { color: ink.soft, fontSize: 12, width: 46, align: "left" },
                  size: { color: ink.ink, fontSize: 12, width: 34, align: "right" },
                },
              }),
            },
            visualMap: { show: false, min: 0, max: highest, inRange: { color: [ink.faint, ink.accent] } },
            tooltip: {
              ...base().tooltip,
              formatter: ({ data: cell }) => {
                const { week, counts } = cohorts[cell.value[1]];
                return `<b>First listened in the week of ${dayMonthYear(week)}</b><br>` +
                  `${plain.format(counts[cell.value[0] + 1])} of ${plain.format(counts[0])} listened ` +
                  `${counted(cell.value[0] + 1, "week", "weeks")} later`;
              },
            },
            series: [{
              type: "heatmap",
              itemStyle: { borderColor: ink.card, borderWidth: 2, borderRadius: 4 },
              emphasis: { disabled: true },
              label: { show: true, fontSize: 12, formatter: ({ value }) => Math.round(100 * value[2]) },
              data: cohorts.flatMap((cohort, row) =>
                cohort.counts.slice(1, shown + 1).map((_, week) => ({
                  value: [week, row, share(cohort, week + 1)],
                  label: { color: share(cohort, week + 1) > ink.turn * highest ? ink["on-accent"] : ink.ink },
                }))),
            }],
          };
        },
        head: ["First listen", "Listeners", ...Array.from({ length: longest }, (_, week) => `+${week + 1} w`)],
        rows: cohorts.map((cohort) => [
          dayMonthYear(cohort.week), plain.format(cohort.counts[0]),
          ...Array.from({ length: longest }, (_, week) =>
            week + 1 < cohort.counts.length ? percent(share(cohort, week + 1)) : ""),
        ]),
      };
    },

    hours: (state) => {
      const cells = data.hours[state.selection][state.period] || [];
      const highest = Math.max(0, ...cells);
      const busiest = cells.indexOf(highest);
      return {
        isEmpty: highest === 0,
        empty: `No listens${genreInWords(state)} with a time of day ${periodInWords(state)}.`,
        reading: highest
          ? `Most on ${WEEKDAYS[Math.floor(busiest / 24)]} from ${hour(busiest % 24)} UTC.`
          : "",
        height: Math.max(270, data.cohorts.length * 24 + 70),
        option: (width) => ({
          ...base(),
          grid: { left: 2, right: 2, top: 4, bottom: 8, containLabel: true },
          xAxis: {
            ...bare, type: "category", data: Array.from({ length: 24 }, (_, value) => hour(value)),
            axisLabel: label({ interval: (index) => index % (width < 420 ? 6 : 3) === 0, align: "left", margin: 10,
              padding: [0, 0, 0, -width / 64] }),
          },
          yAxis: {
            ...bare, type: "category", inverse: true, data: WEEKDAYS,
            axisLabel: label({ interval: 0, formatter: (name) => name.slice(0, 3) }),
          },
          visualMap: { show: false, min: 0, max: highest, inRange: { color: [ink.faint, ink.tint, ink.accent] } },
          tooltip: {
            ...base().tooltip,
            formatter: ({ value }) =>
              `<b>${WEEKDAYS[value[1]]}, ${hour(value[0])} to ${hour(value[0] + 1)} UTC</b><br>${counted(value[2], "listen", "listens")}`,
          },
          series: [{
            type: "heatmap",
            itemStyle: { borderColor: ink.card, borderWidth: width < 420 ? 1 : 2, borderRadius: 3 },
            emphasis: { disabled: true },
            data: cells.map((value, cell) => [cell % 24, Math.floor(cell / 24), value]),
          }],
        }),
        head: ["Hour (UTC)", ...WEEKDAYS.map((name) => name.slice(0, 3))],
        rows: Array.from({ length: 24 }, (_, value) => [
          hour(value), ...WEEKDAYS.map((_name, day) => plain.format(cells[day * 24 + value] || 0)),
        ]),
      };
    },
  };

  // where a row stood in the period before, where that is known
  const moved = (row, place, state) => {
    if (!isComparable(state)) return "";
    if (row.before === null) return "new";
    const up = row.before - place;
    return up > 0 ? `▲ ${up}` : up < 0 ? `▼ ${-up}` : "=";
  };

  const ranked = (rows, state, one) => {
    rows.forEach((row, index) => { row.moved = moved(row, index + 1, state); });
    const newcomers = rows.filter((row) => row.moved === "new").length;
    const share = sum(rows.map((row) => row.value)) / state.totals[0];
    return {
      isEmpty: rows.length === 0,
      reading:
        `The first ${rows.length} have ${percent(share)} of ${count(state.totals[0])} listens${genreInWords(state)}.` +
        (newcomers ? ` ${newcomers} ${newcomers === 1 ? "was" : "were"} not heard in the ${state.length} days before.` : ""),
      height: rows.length * ROW,
      option: (width) => ranking(rows, width, () => ink.accent),
      head: [one, "Listens", "Share", ...(isComparable(state) ? ["Place before"] : [])],
      rows: rows.map((row) => [
        row.name, plain.format(row.value), percent(row.value / state.totals[0]),
        ...(isComparable(state) ? [row.before === null ? "new" : plain.format(row.before)] : []),
      ]),
    };
  };

  // ---- drawing

  const charts = Object.keys(listening)
    .map((id) => ({ id, card: document.getElementById(id) }))
    .filter(({ id }) => document.getElementById(`${id}-chart`))
    .map(({ id, card }) => {
      const box = document.getElementById(`${id}-chart`);
      return { id, card, box, empty: document.getElementById(`${id}-empty`), view: null, instance: null };
    });

  // figures as machines read them: no separators in numbers; a spreadsheet takes no name for a formula
  const asCsv = (rows) => {
    const plainNumber = /^\d{1,3}(,\d{3})+(\.\d+)?$/;
    const cell = (text) => {
      const value = plainNumber.test(text) ? text.replaceAll(",", "") : text;
      return `"${(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
    };
    return rows.map((cells) => cells.map(cell).join(",")).join("\r\n");
  };

  const fillTable = (chart) => {
    if (!chart.card.querySelector("details").open) return;
    const table = document.createElement("table");
    const row = (parent, cells, tag) => {
      const line = parent.insertRow();
      cells.forEach((text, index) => {
        const cell = document.createElement(tag === "th" || index === 0 ? "th" : "td");
        if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
        cell.textContent = text;
        line.append(cell);
      });
    };
    row(table.createTHead(), chart.view.head, "th");
    const body = table.createTBody();
    chart.view.rows.forEach((cells) => row(body, cells, "td"));
    const link = document.createElement("a");
    link.className = "csv";
    link.textContent = "Save as CSV";
    link.download = `${chart.id}.csv`;
    link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(asCsv([chart.view.head, ...chart.view.rows]))}`;
    chart.card.querySelector(".figures").replaceChildren(link, table);
  };

  const draw = (chart, state) => {
    chart.view = listening[chart.id](state);
    const { isEmpty, reading, empty, height, option, onClick } = chart.view;
    document.getElementById(`${chart.id}-reading`).textContent = isEmpty ? "" : reading;
    chart.box.hidden = isEmpty;
    chart.empty.hidden = !isEmpty;
    chart.empty.textContent = empty || `No listens${genreInWords(state)} ${periodInWords(state)}.`;
    if (!isEmpty) {
      chart.box.style.height = height ? `${height}px` : "";
      chart.instance = chart.instance || echarts.init(chart.box, null, { renderer: "svg" });
      chart.instance.resize();
      chart.instance.setOption(option(chart.box.clientWidth), { notMerge: true });
      chart.instance.off("click");
      if (onClick) chart.instance.on("click", ({ dataIndex }) => onClick(dataIndex));
    }
    fillTable(chart);
  };

  const show = (id, text) => { document.getElementById(id).textContent = text; };

  const render = () => {
    readColours();
    const state = chosen();
    const [listens, listeners, tracks, seconds] = state.totals;
    show("total-listens", plain.format(listens));
    show("total-listeners", plain.format(listeners));
    show("total-tracks", plain.format(tracks));
    show("total-hours", plain.format(few(seconds / 3600)));
    show("total-each", listeners ? `${plain.format(Math.round((10 * listens) / listeners) / 10)} per listener` : "");
    ["listens", "listeners", "tracks", "hours"].forEach((name, index) => {
      const before = data.earlier[state.selection][state.period][index];
      const change = Math.round(100 * (state.totals[index] / before - 1));
      show(`change-${name}`, isComparable(state) && before
        ? `${change < 0 ? "−" : "+"}${Math.abs(change)} % on the ${state.length} days before`
        : "");
    });
    show("said", `${counted(listens, "listen", "listens")}${genreInWords(state)} ${periodInWords(state)}.`);
    form.querySelector("button").hidden = state.period === ALL && state.selection === 0;
    charts.forEach((chart) => draw(chart, state));
  };

  // what is chosen stands in the address, to be kept or passed on
  const keepInAddress = () => {
    const { period, selection } = chosen();
    const parts = new URLSearchParams();
    if (period !== ALL) parts.set("days", data.periods[period]);
    if (selection !== 0) parts.set("genre", data.genres[selection - 1]);
    history.replaceState(null, "", `#${parts}`);
  };

  const readAddress = () => {
    const parts = new URLSearchParams(location.hash.slice(1));
    const period = data.periods.indexOf(Number(parts.get("days")));
    form.elements.period.value = String(period < 0 ? ALL : period);
    const genre = parts.has("genre") ? data.genres.indexOf(parts.get("genre")) : -1;
    form.elements.genre.value = String(genre + 1);
  };

  const update = () => {
    keepInAddress();
    render();
  };

  const choose = (selection) => {
    if (!(selection >= 0)) return;
    form.elements.genre.value = String(selection);
    update();
  };

  form.addEventListener("change", update);
  addEventListener("hashchange", () => { readAddress(); render(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(update));
  charts.forEach((chart) => chart.card.querySelector("details").addEventListener("toggle", () => fillTable(chart)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      requestAnimationFrame(render);
    }
  });
  readAddress();
  render();
})();
