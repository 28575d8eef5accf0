package headrace.bench;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** What a contestant used, from its first event to its last; the counterpart of bench/meter.py. */
public final class Meter {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private Moment begin;
    private Moment end;

    /** Note the beginning; later calls do nothing. */
    public void start() {
        if (begin == null) {
            begin = Moment.now();
        }
    }

    /** Note the end. */
    public void lap() {
        end = Moment.now();
    }

    /** The line that a contestant answers with. */
    public String result(long events, Object answer) {
        Map<String, Object> figures = Map.of(
                "events", events,
                "wall_seconds", (end.wall - begin.wall) / 1e9,
                "cpu_seconds", (end.cpu - begin.cpu) / 1e9,
                "peak_rss_bytes", peakRss(),
                "answer", answer);
        try {
            return "RESULT " + new ObjectMapper().writeValueAsString(figures);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException(error);
        }
    }

    private static long peakRss() {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            String peak = lines.filter(line -> line.startsWith("VmHWM:")).findFirst().orElseThrow();
            return Long.parseLong(peak.replaceAll("\\D", "")) * 1024;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** In ns; CPU is the whole process: all threads, the compilers' and the collector's too. */
    private record Moment(long wall, long cpu) {
        static Moment now() {
            return new Moment(System.nanoTime(), SYSTEM.getProcessCpuTime());
        }
    }
}
