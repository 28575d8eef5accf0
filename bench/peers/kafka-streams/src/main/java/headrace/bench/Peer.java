package headrace.bench;

import headrace.events.PaymentEvent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Kafka Streams, in the DSL, with the default of one stream thread.
 *
 * <p>Windows are kept in memory, with no cache over them, for nothing follows them that it would
 * spare updates, and with no changelog: of all stores and caches that takes the least CPU.
 */
public final class Peer {
    private static final String STORE = "sums";

    private final Meter meter = new Meter();
    private final PaymentReader reader = new PaymentReader();
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private final long count;
    private long events; // these two belong to the stream thread until it is done
    private long cents;

    private Peer(long count) {
        this.count = count;
    }

    // ---- what the user writes
    private KStream<String, PaymentEvent> payments(StreamsBuilder builder, String topic) {
        return builder.stream(topic, Consumed.with(Serdes.String(), paymentSerde())
                .withTimestampExtractor((record, partitionTime) ->
                        ((PaymentEvent) record.value()).getOccurredAt().toEpochMilli()));
    }

    // ---- what the user writes for decode
    private void decode(KStream<String, PaymentEvent> payments) {
        payments.foreach((key, payment) -> cents += PaymentReader.cents(payment));
    }

    // ---- what the user writes for minutes and users
    private static void window(KStream<String, PaymentEvent> payments) {
        payments.groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1)))
                .aggregate(
                        () -> new Sum(0, 0),
                        (key, payment, sum) -> sum.plus(PaymentReader.cents(payment)),
                        Materialized.<String, Sum, WindowStore<Bytes, byte[]>>as(STORE)
                                .withStoreType(BuiltInDslStoreSuppliers.IN_MEMORY)
                                .withValueSerde(Sum.SERDE)
                                .withCachingDisabled()
                                .withLoggingDisabled());
    }

    private record Sum(long events, long cents) {
        static final Serde<Sum> SERDE = Serdes.serdeFrom(
                (topic, sum) -> ByteBuffer.allocate(2 * Long.BYTES)
                        .putLong(sum.events).putLong(sum.cents).array(),
                (topic, bytes) -> {
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    return new Sum(buffer.getLong(), buffer.getLong());
                });

        Sum plus(long more) {
            return new Sum(events + 1, cents + more);
        }
    }

    // ----
    private Serde<PaymentEvent> paymentSerde() {
        return Serdes.serdeFrom(
                (topic, payment) -> {
                    throw new UnsupportedOperationException("the bench only reads");
                },
                (topic, value) -> {
                    meter.start();
                    try {
                        return reader.read(value);
                    } catch (IOException error) {
                        throw new SerializationException(error);
                    }
                });
    }

    private void countOne() {
        if (++events == count) {
            meter.lap();
            done.complete(null);
        }
    }

    private Map<String, ?> answer(String job, KafkaStreams streams) {
        if (job.equals("decode")) {
            return Answer.decoded(events, cents);
        }
        Answer answer = Answer.to(job);
        var store = streams.store(StoreQueryParameters.fromNameAndType(
                STORE, QueryableStoreTypes.<String, Sum>windowStore()));
        try (var groups = store.all()) {
            groups.forEachRemaining(group -> answer.add(
                    group.key.window().start(), group.key.key(),
                    group.value.events, group.value.cents));
        }
        return answer.json();
    }

    private void run(String job, String bootstrap, String topic) throws Exception {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, PaymentEvent> payments = payments(builder, topic);
        if (job.equals("decode")) {
            decode(payments);
        } else {
            window(payments);
        }
        // Declared last, so a record comes here when its window has it.
        payments.foreach((key, payment) -> countOne());
        Path state = Files.createTempDirectory("bench-kafka-streams-");
        StreamsConfig config = new StreamsConfig(Map.of(
                StreamsConfig.APPLICATION_ID_CONFIG, "bench-" + UUID.randomUUID(),
                StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap,
                StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class,
                StreamsConfig.STATE_DIR_CONFIG, state.toString()));
        KafkaStreams streams = new KafkaStreams(builder.build(), config);
        try (streams) {
            streams.setUncaughtExceptionHandler(error -> {
                done.completeExceptionally(error);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            done.get();
            System.out.println(meter.result(events, answer(job, streams)));
        }
        streams.cleanUp();
        Files.delete(state);
    }

    public static void main(String[] args) throws Exception {
        new Peer(Long.parseLong(args[3])).run(args[0], args[1], args[2]);
    }
}
