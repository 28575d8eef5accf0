package headrace.bench;

import headrace.events.PaymentEvent;
import java.io.IOException;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.specific.SpecificDatumReader;

/** Reads Confluent-framed payments. For one thread. */
public final class PaymentReader {
    private static final int FRAMING = 5;

    private final DatumReader<PaymentEvent> reader = new SpecificDatumReader<>(PaymentEvent.class);
    private BinaryDecoder decoder;

    public PaymentEvent read(byte[] value) throws IOException {
        int length = value.length - FRAMING;
        decoder = DecoderFactory.get().binaryDecoder(value, FRAMING, length, decoder);
        return reader.read(null, decoder);
    }

    public static long cents(PaymentEvent payment) {
        return payment.getAmount().unscaledValue().longValueExact();
    }
}
