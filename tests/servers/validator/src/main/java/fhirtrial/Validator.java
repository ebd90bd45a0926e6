package fhirtrial;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;

/**
 * Reads resources, one JSON text a line, and answers each with one line: {@code {"issues": [{"severity", "id", "location",
 * "message"}]}}, in the same order, as soon as it is known.
 *
 * <p>{@code java -jar validator.jar r4|r5 FILTER}: no network, no profile but the base definitions and those that a
 * resource names itself.
 */
public final class Validator {

    /** A key given twice in an object is a mistake that a parsed resource would no longer show. */
    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

    private final FhirValidator validator;
    private final Filter filter;

    private Validator(FhirContext context, Filter filter) {
        this.validator = offline(context);
        this.filter = filter;
    }

    public static void main(String[] arguments) throws IOException {
        FhirContext context =
                switch (arguments[0]) {
                    case "r4" -> FhirContext.forR4Cached();
                    case "r5" -> FhirContext.forR5Cached();
                    default -> throw new IllegalArgumentException("r4 or r5");
                };
        Validator validator = new Validator(context, Filter.read(Path.of(arguments[1])));
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            answers.println(JSON.writeValueAsString(validator.answer(line)));
        }
    }

    private static FhirValidator offline(FhirContext context) {
        InMemoryTerminologyServerValidationSupport codes = new InMemoryTerminologyServerValidationSupport(context);
        codes.setIssueSeverityForCodeDisplayMismatch(IValidationSupport.IssueSeverity.WARNING);
        UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
        // As a warning it reaches the filter, which tells licensed systems from misspelt ones.
        unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
        FhirInstanceValidator instances = new FhirInstanceValidator(new ValidationSupportChain(
                new DefaultProfileValidationSupport(context),
                new CommonCodeSystemsTerminologyService(context),
                codes,
                new SnapshotGeneratingValidationSupport(context),
                unknown)); // answers for every system, so it must come last
        instances.setAnyExtensionsAllowed(false);
        instances.setErrorForUnknownProfiles(true);
        instances.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
        instances.setAssumeValidRestReferences(true);
        FhirValidator validator = context.newValidator();
        validator.setValidateAgainstStandardSchema(false);
        validator.setValidateAgainstStandardSchematron(false);
        return validator.registerValidatorModule(instances);
    }

    /** Validates the text itself: the parser is lenient, and would drop a property that FHIR does not know. */
    private ObjectNode answer(String text) {
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode issues = answer.putArray("issues");
        try {
            JSON.readTree(text);
        } catch (JsonProcessingException malformed) {
            add(issues, "error", "JSON", "", malformed.getOriginalMessage());
            return answer;
        }
        try {
            for (SingleValidationMessage message :
                    validator.validateWithResult(text).getMessages()) {
                String id = orEmpty(message.getMessageId());
                String location = orEmpty(message.getLocationString());
                String words = orEmpty(message.getMessage());
                String severity = filter.severity(id, location + " " + words, severityOf(message));
                if (!severity.equals(Filter.DROP)) {
                    add(issues, severity, id, location, words);
                }
            }
        } catch (RuntimeException crash) {
            // What the validator cannot judge has not passed.
            add(issues, "error", "CRASH", "", crash.toString());
        }
        return answer;
    }

    private static String severityOf(SingleValidationMessage message) {
        ResultSeverityEnum severity = message.getSeverity();
        return severity == null || severity == ResultSeverityEnum.FATAL ? "error" : severity.getCode();
    }

    private static void add(ArrayNode issues, String severity, String id, String location, String message) {
        issues.addObject()
                .put("severity", severity)
                .put("id", id)
                .put("location", location)
                .put("message", message);
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }
}
