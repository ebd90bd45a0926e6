package fhirtrial;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Messages of the validator that mean something else here than it says. The form of the file is told at its head. */
final class Filter {

    static final String DROP = "drop";
    private static final Set<String> ACTIONS = Set.of(DROP, "error", "warning", "information");

    private record Rule(String action, Pattern id, Pattern text) {
        boolean fits(String messageId, String locationAndMessage) {
            return id.matcher(messageId).matches() && text.matcher(locationAndMessage).find();
        }
    }

    private final List<Rule> rules;

    private Filter(List<Rule> rules) {
        this.rules = rules;
    }

    static Filter read(Path file) throws IOException {
        List<Rule> rules = new ArrayList<>();
        for (String line : Files.readAllLines(file)) {
            if (!line.isBlank() && !line.startsWith("#")) {
                rules.add(rule(line));
            }
        }
        return new Filter(rules);
    }

    private static Rule rule(String line) {
        String[] columns = line.split("\t", 3);
        if (columns.length < 2 || !ACTIONS.contains(columns[0])) {
            throw new IllegalArgumentException("A line of the filter is ACTION, message id, text: " + line);
        }
        String text = columns.length > 2 ? columns[2] : "";
        return new Rule(columns[0], Pattern.compile(columns[1]), Pattern.compile(text));
    }

    /** What the first rule that fits says; else the severity given. */
    String severity(String messageId, String locationAndMessage, String given) {
        for (Rule rule : rules) {
            if (rule.fits(messageId, locationAndMessage)) {
                return rule.action();
            }
        }
        return given;
    }
}
