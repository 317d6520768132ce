import { DomainError } from "@skrei/domain";

/** The date in a text, written again as the layout says; undefined when the text is no such date. */
export type DateReader = (text: string) => string | undefined;

/**
 * Understands Go's layouts, which show the reference time Mon Jan 2 15:04:05 2006: year, month, day, weekday, hour, minute, second, AM/PM
 * and numeric zones. Zone names, fractions of seconds and days of the year are refused. Only what stands in the text is kept, so the
 * same date always gives the same text.
 * @throws DomainError invalid/FIELD_INVALID.
 */
export function parseDateLayout(layout: string): DateReader {
  const refused = REFUSED.exec(layout)?.[0];
  if (layout === "" || layout.length > LAYOUT_CHARS_MAX || refused !== undefined) throw invalid(layout, refused);
  const parts = layout.split(FIELD).filter((part) => part !== "");
  const fields = parts.flatMap((part) => FIELDS.get(part) ?? []);
  // Many fields of open width side by side could be read in too many ways.
  if (fields.length < 1 || fields.length > FIELDS_MAX) throw invalid(layout, `having ${fields.length} fields`);
  const regex = new RegExp(`^${parts.map((part) => FIELDS.get(part)?.pattern ?? escapeRegExp(part)).join("")}$`, "u");
  return (text) => {
    const values = regex.exec(text)?.slice(1);
    if (values === undefined) return undefined;
    const date = readDate(fields, values);
    if (date === undefined) return undefined;
    return parts.map((part) => FIELDS.get(part)?.write(date) ?? part).join("");
  };
}

interface ReadDate {
  year: number;
  month: number;
  day: number;
  hour: number;
  isAfternoon: boolean | undefined;
  minute: number;
  second: number;
  /** Minutes east of UTC. */
  zone: number;
}

interface Field {
  /** One group, no repetition of repetitions. */
  readonly pattern: string;
  read(text: string, date: ReadDate): void;
  write(date: ReadDate): string;
}

function readDate(fields: readonly Field[], values: readonly string[]): ReadDate | undefined {
  const date: ReadDate = { year: 0, month: 1, day: 1, hour: 0, isAfternoon: undefined, minute: 0, second: 0, zone: 0 };
  for (const [index, field] of fields.entries()) field.read(values[index] ?? "", date);
  if (date.isAfternoon !== undefined) date.hour = (date.hour % 12) + (date.isAfternoon ? 12 : 0);
  return isInCalendar(date) && date.hour < 24 && date.minute < 60 && date.second < 60 ? date : undefined;
}

function isInCalendar(date: ReadDate): boolean {
  return date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= daysInMonth(date);
}

function daysInMonth({ year, month }: ReadDate): number {
  // Not Date.UTC(year, …), which takes 0 to 99 for 1900 to 1999.
  const date = new Date(0);
  date.setUTCFullYear(year, month, 0);
  return date.getUTCDate();
}

function weekday({ year, month, day }: ReadDate): string {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return DAYS[date.getUTCDay()] ?? "";
}

type NumberKey = "year" | "month" | "day" | "hour" | "minute" | "second";

/** `digits` are what it is padded to; a field of one digit may also be read with two. */
function number(key: NumberKey, digits: 1 | 2 | 4, pattern?: string): Field {
  return {
    pattern: `(${pattern ?? (digits === 1 ? "\\d{1,2}" : `\\d{${digits}}`)})`,
    read: (text, date) => (date[key] = Number(text)),
    write: (date) => String(date[key]).padStart(digits, "0"),
  };
}

function hour12(digits: 1 | 2): Field {
  const write = ({ hour }: ReadDate): string => String(hour % 12 === 0 ? 12 : hour % 12).padStart(digits, "0");
  return { ...number("hour", digits, digits === 2 ? "0\\d|1[0-2]" : "0?\\d|1[0-2]"), write };
}

function month(length: number | undefined): Field {
  const names = MONTHS.map((name) => name.slice(0, length));
  return {
    pattern: namePattern(names),
    read: (text, date) => (date.month = names.findIndex((name) => name.toLowerCase() === text.toLowerCase()) + 1),
    write: (date) => names[date.month - 1] ?? "",
  };
}

function dayName(length: number | undefined): Field {
  // As Go does: the name must be one, but the date decides which.
  return {
    pattern: namePattern(DAYS.map((name) => name.slice(0, length))),
    read: () => undefined,
    write: (date) => weekday(date).slice(0, length),
  };
}

/** In any case of letters. */
function namePattern(names: readonly string[]): string {
  const anyCase = (name: string): string => name.replace(/./gu, (char) => `[${char.toUpperCase()}${char.toLowerCase()}]`);
  return `(${names.map(anyCase).join("|")})`;
}

function afternoon(names: readonly [am: string, pm: string]): Field {
  return {
    pattern: `(${names.join("|")})`,
    read: (text, date) => (date.isAfternoon = text === names[1]),
    write: (date) => names[date.hour >= 12 ? 1 : 0],
  };
}

function zone(layout: string): Field {
  const separator = layout.includes(":") ? ":" : "";
  const hasMinutes = layout.endsWith("00");
  const isZulu = layout.startsWith("Z");
  const minutes = hasMinutes ? `${separator}[0-5]\\d` : "";
  return {
    pattern: `(${isZulu ? "Z|" : ""}[+-](?:[01]\\d|2[0-4])${minutes})`,
    read: (text, date) => {
      const [hours = "0", rest = "0"] = text === "Z" ? [] : [text.slice(1, 3), text.slice(3).replace(":", "")];
      date.zone = (text.startsWith("-") ? -1 : 1) * (Number(hours) * 60 + Number(rest));
    },
    write: (date) => {
      if (isZulu && date.zone === 0) return "Z";
      const distance = Math.abs(date.zone);
      const two = (value: number): string => String(value).padStart(2, "0");
      return `${date.zone < 0 ? "-" : "+"}${two(Math.floor(distance / 60))}${hasMinutes ? separator + two(distance % 60) : ""}`;
    },
  };
}

function shortYear(): Field {
  return {
    pattern: "(\\d{2})",
    read: (text, date) => (date.year = Number(text) + (Number(text) >= 69 ? 1_900 : 2_000)),
    write: ({ year }) => String(year % 100).padStart(2, "0"),
  };
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}

function invalid(layout: string, refused: string | undefined): DomainError {
  const what = refused === undefined ? "it names no date" : `${refused} is not offered`;
  return new DomainError("invalid", "FIELD_INVALID", `The date layout "${layout.slice(0, 64)}" is refused: ${what}.`, {
    hint: "Write the reference time Mon Jan 2 15:04:05 2006 as the keys write dates, such as 2006-01-02 or 2006/01/02/15.",
  });
}

const MONTHS = "January February March April May June July August September October November December".split(" ");
const DAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

const FIELDS = new Map<string, Field>(
  Object.entries({
    "2006": number("year", 4),
    "06": shortYear(),
    January: month(undefined),
    Jan: month(3),
    "01": number("month", 2),
    "1": number("month", 1),
    Monday: dayName(undefined),
    Mon: dayName(3),
    "02": number("day", 2),
    _2: { ...number("day", 1, " ?\\d{1,2}"), write: ({ day }) => String(day).padStart(2, " ") },
    "2": number("day", 1),
    // Go reads the hour of 24 with one digit as well.
    "15": { ...number("hour", 2, "\\d{1,2}") },
    "03": hour12(2),
    "3": hour12(1),
    "04": number("minute", 2),
    "4": number("minute", 1),
    "05": number("second", 2),
    "5": number("second", 1),
    PM: afternoon(["AM", "PM"]),
    pm: afternoon(["am", "pm"]),
    ...Object.fromEntries(["Z07:00", "Z0700", "Z07", "-07:00", "-0700", "-07"].map((layout) => [layout, zone(layout)])),
  }),
);

/** In Go's order: the longer spelling first, and `Jan` or `Mon` only where no small letter follows. */
const FIELD = /(January|Jan(?![a-z])|Monday|Mon(?![a-z])|2006|_2(?!006)|15|0[1-6]|PM|pm|[Z-]07:00|[Z-]0700|[Z-]07|[1-5])/u;
const REFUSED = /MST|00[02]|__2|[Z-]07:?00:?00|[.,](?:0+|9+)(?!\d)/u;
const LAYOUT_CHARS_MAX = 64;
const FIELDS_MAX = 12;
