package headrace.bench;

import headrace.events.PaymentEvent;
import java.io.IOException;
import java.io.Serializable;
import java.time.Duration;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.formats.avro.typeutils.AvroTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.windowing.WindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * Flink, in the DataStream API, in a local cluster: parallelism 1, objects reused, state on the
 * heap, no checkpoints.
 *
 * <p>The one task has the events of all keys anyway, so the stream is keyed as it is: keyBy would
 * send each event through a shuffle.
 */
public final class Peer {
    // Static, since tasks get copies of functions; a local cluster's run in this process.
    private static final Meter METER = new Meter();
    private static long events;
    private static long cents;
    private static Answer answer;

    // ---- what the user writes
    private static KafkaSource<PaymentEvent> source(String bootstrap, String topic) {
        return KafkaSource.<PaymentEvent>builder()
                .setBootstrapServers(bootstrap)
                .setTopics(topic)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setValueOnlyDeserializer(new PaymentSchema())
                .build();
    }

    // ---- what the user writes for decode
    private static void decode(StreamExecutionEnvironment env, KafkaSource<PaymentEvent> source) {
        env.fromSource(source, WatermarkStrategy.noWatermarks(), "payments")
                .sinkTo(new Collect<>(payment -> {
                    events++;
                    cents += PaymentReader.cents(payment);
                }));
    }

    // ---- what the user writes for minutes and users
    private static DataStream<Group> window(
            StreamExecutionEnvironment env, KafkaSource<PaymentEvent> source,
            KeySelector<PaymentEvent, String> key) {
        WatermarkStrategy<PaymentEvent> eventTime = WatermarkStrategy
                .<PaymentEvent>forBoundedOutOfOrderness(Duration.ofSeconds(2))
                .withTimestampAssigner((payment, at) -> payment.getOccurredAt().toEpochMilli());
        DataStream<PaymentEvent> payments = env.fromSource(source, eventTime, "payments");
        return DataStreamUtils.reinterpretAsKeyedStream(payments, key, Types.STRING)
                .window(TumblingEventTimeWindows.of(Duration.ofMinutes(1)))
                .aggregate(new Add(), new Name());
    }

    public static final class Sum {
        public long events;
        public long cents;
    }

    public record Group(long minute, String key, long events, long cents) {}

    private static final class Add implements AggregateFunction<PaymentEvent, Sum, Sum> {
        @Override
        public Sum createAccumulator() {
            return new Sum();
        }

        @Override
        public Sum add(PaymentEvent payment, Sum sum) {
            sum.events++;
            sum.cents += PaymentReader.cents(payment);
            return sum;
        }

        @Override
        public Sum getResult(Sum sum) {
            return sum;
        }

        @Override
        public Sum merge(Sum one, Sum other) {
            one.events += other.events;
            one.cents += other.cents;
            return one;
        }
    }

    private static final class Name implements WindowFunction<Sum, Group, String, TimeWindow> {
        @Override
        public void apply(
                String key, TimeWindow window, Iterable<Sum> sums, Collector<Group> groups) {
            Sum sum = sums.iterator().next();
            groups.collect(new Group(window.getStart(), key, sum.events, sum.cents));
        }
    }

    // ----
    private static final class PaymentSchema implements DeserializationSchema<PaymentEvent> {
        private transient PaymentReader reader;

        @Override
        public void open(InitializationContext context) {
            reader = new PaymentReader();
        }

        @Override
        public PaymentEvent deserialize(byte[] value) throws IOException {
            METER.start();
            return reader.read(value);
        }

        @Override
        public boolean isEndOfStream(PaymentEvent payment) {
            return false;
        }

        @Override
        public TypeInformation<PaymentEvent> getProducedType() {
            return new AvroTypeInfo<>(PaymentEvent.class);
        }
    }

    /** Takes what the job emits, where a real one has its sink. */
    private static final class Collect<T> implements Sink<T>, SinkWriter<T> {
        private interface Taker<T> extends Consumer<T>, Serializable {}

        private final Taker<T> taker;

        Collect(Taker<T> taker) {
            this.taker = taker;
        }

        @Override
        public SinkWriter<T> createWriter(WriterInitContext context) {
            return this;
        }

        @Override
        public void write(T element, Context context) {
            taker.accept(element);
        }

        @Override
        public void flush(boolean endOfInput) {
            if (endOfInput) {
                METER.lap();
            }
        }

        @Override
        public void close() {}
    }

    private static KeySelector<PaymentEvent, String> key(String job) {
        return job.equals("users")
                ? payment -> payment.getUserId().toString()
                : payment -> payment.getType().name();
    }

    public static void main(String[] args) throws Exception {
        String job = args[0];
        Configuration config = new Configuration();
        config.set(PipelineOptions.OBJECT_REUSE, true);
        var env = StreamExecutionEnvironment.createLocalEnvironment(1, config);
        KafkaSource<PaymentEvent> source = source(args[1], args[2]);
        Map<String, ?> json;
        if (job.equals("decode")) {
            decode(env, source);
            env.execute(job);
            json = Answer.decoded(events, cents);
        } else {
            answer = Answer.to(job);
            window(env, source, key(job)).sinkTo(new Collect<>(group ->
                    answer.add(group.minute, group.key, group.events, group.cents)));
            env.execute(job);
            events = answer.events();
            json = answer.json();
        }
        System.out.println(METER.result(events, json));
    }
}
