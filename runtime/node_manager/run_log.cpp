#include "runtime/node_manager/run_log.hpp"

#include <algorithm>

namespace fard {

namespace {

constexpr std::size_t longest_text = 4 * 1024;
constexpr std::size_t answer_bytes = 256 * 1024;
constexpr std::size_t line_overhead = 128;

class NoLog final : public Log {
    void write(LogLevel, const RunId&, const std::string&, const std::string&) override {}
};

std::size_t size_of(const wire::LogLine& line) {
    return line.text.size() + line.who.size() + line_overhead;
}

// What a job prints may hold anything; a line is one line of text.
std::string one_line(const std::string& text) {
    auto line = text.substr(0, longest_text);
    std::ranges::replace_if(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return line;
}

}  // namespace

Log& Log::none() {
    static NoLog log;
    return log;
}

const char* name_of(LogLevel level) {
    static constexpr const char* names[] = {"debug", "info", "warning", "error"};
    return names[static_cast<int>(level)];
}

void RunLog::write(LogLevel level, const RunId& run, const std::string& who, const std::string& text) {
    wire::LogLine line;
    line.number = ++last_number_;
    line.time_ns = clock_();
    line.run = run;
    line.level = name_of(level);
    line.who = who;
    line.text = one_line(text);
    hand_on_(level, run.empty() ? line.text
                                : fmt::format("run {} {}: {}", run.hex.substr(0, 8), line.who, line.text));
    auto& place = runs_[run];
    bytes_ += size_of(line);
    place.bytes += size_of(line);
    place.lines.push_back(std::move(line));
    make_room();
}

void RunLog::make_room() {
    while (bytes_ > most_bytes_) {
        const auto largest = std::ranges::max_element(runs_, {}, [](const auto& entry) { return entry.second.bytes; });
        auto& [lines, bytes] = largest->second;
        const auto freed = size_of(lines.front());
        lines.pop_front();
        bytes -= freed;
        bytes_ -= freed;
        if (lines.empty()) runs_.erase(largest);
    }
}

wire::LogLines RunLog::lines(const RunId& run, std::uint64_t after) const {
    std::vector<const wire::LogLine*> found;
    for (const auto& [id, place] : runs_) {
        if (!run.empty() && id != run) continue;
        for (const auto& line : place.lines)
            if (line.number > after) found.push_back(&line);
    }
    std::ranges::sort(found, {}, [](const wire::LogLine* line) { return line->number; });
    wire::LogLines answer;
    std::size_t bytes = 0;
    for (const auto* line : found) {
        bytes += size_of(*line);
        answer.more = bytes > answer_bytes;
        if (answer.more) break;
        answer.lines.push_back(*line);
    }
    return answer;
}

}  // namespace fard
