package headrace.bench;

import java.util.Map;
import java.util.TreeMap;

/** The answers of bench/contract.py to jobs that group by minute and a key. */
public abstract sealed class Answer {
    private static final long MINUTE_MS = 60_000;

    protected long events;
    protected long cents;

    /** The answer to {@code job}: {@code minutes} or {@code users}. */
    public static Answer to(String job) {
        return switch (job) {
            case "minutes" -> new Minutes();
            case "users" -> new Users();
            default -> throw new IllegalArgumentException("no such job: " + job);
        };
    }

    /** The answer to {@code decode}. */
    public static Map<String, Long> decoded(long events, long cents) {
        return Map.of("events", events, "cents", cents);
    }

    /** Add a group, or a part of one in {@code minutes}; {@code minute} is in ms since 1970. */
    public void add(long minute, String key, long events, long cents) {
        this.events += events;
        this.cents += cents;
    }

    public final long events() {
        return events;
    }

    /** What is to be printed as JSON. */
    public abstract Map<String, ?> json();

    private static final class Minutes extends Answer {
        private final Map<String, long[]> groups = new TreeMap<>();

        @Override
        public void add(long minute, String key, long events, long cents) {
            super.add(minute, key, events, cents);
            long[] sums = groups.computeIfAbsent(minute + " " + key, group -> new long[2]);
            sums[0] += events;
            sums[1] += cents;
        }

        @Override
        public Map<String, ?> json() {
            return groups;
        }
    }

    private static final class Users extends Answer {
        private long groups;
        private long checksum; // wraps around, which is modulo 2^64

        @Override
        public void add(long minute, String key, long events, long cents) {
            super.add(minute, key, events, cents);
            int user = Integer.parseInt(key, 1, key.length(), 10);
            groups++;
            checksum += (user * 31L + minute / MINUTE_MS) * (cents * 7 + events);
        }

        @Override
        public Map<String, ?> json() {
            return Map.of(
                    "groups", groups,
                    "events", events,
                    "cents", cents,
                    "checksum", Long.toUnsignedString(checksum));
        }
    }
}
