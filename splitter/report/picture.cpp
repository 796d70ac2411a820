#include "splitter/report/picture.hpp"

#include <algorithm>

#include "splitter/report/explain.hpp"

namespace fard::splitter {
namespace {

constexpr int box_width = 210, box_height = 196, gap = 96, margin = 28, top = 84;
constexpr int columns = 4;
constexpr int row_height = box_height + 78;

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
        }
    }
    return out;
}

std::string shortened(const std::string& text, std::size_t most) {
    if (text.size() <= most) return text;
    return text.substr(0, most - 3) + "...";
}

std::string amount(std::uint64_t bytes) {
    if (bytes >= 10'000'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
    if (bytes >= 10'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
    return fmt::format("{} B", bytes);
}

class Drawing {
  public:
    Drawing(const Network& network, const Cluster& cluster, const Found& found) : network_(network), cluster_(cluster), found_(found) {}

    std::string run(const std::string& title) {
        const auto stages = found_.plan.stages.size();
        const auto across = std::min<std::size_t>(stages, columns), rows = (stages + columns - 1) / columns;
        const auto width = 2 * margin + static_cast<int>(across) * (box_width + gap) + gap / 2;
        const auto height = top + static_cast<int>(rows) * row_height + 40;
        out_ = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" "
                           "font-family=\"system-ui, sans-serif\" font-size=\"12\">\n", width, height, width, height);
        out_ += "<style>.s{fill:#f4f6fa;stroke:#3b5b8c}.w{fill:#fff4e5;stroke:#c46a00}.t{fill:#1d2a3d}.m{fill:#5b6778}"
                ".l{stroke:#3b5b8c;stroke-width:1.5;fill:none}</style>\n";
        out_ += fmt::format("<rect width=\"{}\" height=\"{}\" fill=\"#ffffff\"/>\n", width, height);
        put(margin, 34, title, "t", 18);
        put(margin, 56, fmt::format("{:.4g} images/s, {:.4g} ms for one; bound by {}", 1 / found_.cost.period_s,
                                    found_.cost.latency_s * 1e3, bottleneck_of(network_, cluster_, found_).what), "m");
        for (std::size_t i = 0; i < stages; ++i)
            stage(i);
        link(stages, network_.cuts.back().bytes, found_.cost.deliver_s);
        return out_ + "</svg>\n";
    }

  private:
    static int x_of(std::size_t stage) { return margin + gap + static_cast<int>(stage % columns) * (box_width + gap); }
    static int y_of(std::size_t stage) { return top + static_cast<int>(stage / columns) * row_height; }

    void put(int x, int y, const std::string& text, const char* kind, int size = 12) {
        out_ += fmt::format("<text x=\"{}\" y=\"{}\" class=\"{}\" font-size=\"{}\">{}</text>\n", x, y, kind, size, escaped(text));
    }

    // The arrow into a stage; behind the last one, out of it.
    void link(std::size_t i, std::uint64_t bytes, double seconds) {
        const bool out = i == found_.plan.stages.size();
        const auto at = out ? i - 1 : i;
        const auto x = out ? x_of(at) + box_width : x_of(at) - gap, y = y_of(at) + box_height / 2;
        out_ += fmt::format("<path class=\"l\" d=\"M{} {}h{}m-7 -5l7 5l-7 5\"/>\n", x + 4, y, gap - 10);
        put(x + 10, y - 24, amount(bytes), "t");
        put(x + 10, y - 9, seconds > 0 ? fmt::format("{:.3g} ms", seconds * 1e3) : "on board", "m");
    }

    void stage(std::size_t i) {
        const auto& stage = found_.plan.stages[i];
        const auto& cost = found_.cost.stages[i];
        const auto x = x_of(i), y = y_of(i);
        const auto& worst = found_.cost.bottleneck;
        const bool here = worst.what == Load::What::fabric ? worst.stage == i
                                                           : std::ranges::find(stage.boards, worst.board) != stage.boards.end();
        link(i, network_.cuts[stage.begin].bytes, cost.arrive_s);
        for (auto copy = std::min<std::size_t>(stage.boards.size(), 4); copy-- > 0;)
            out_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n", here ? "w" : "s",
                                x + static_cast<int>(copy) * 5, y - static_cast<int>(copy) * 5, box_width, box_height);
        const auto many = stage.parts > 1            ? fmt::format(" in {} parts", stage.parts)
                          : stage.boards.size() > 1 ? fmt::format(" x {}", stage.boards.size())
                                                    : "";
        put(x + 10, y + 22, fmt::format("stage {}{}", i, many), "t", 15);
        put(x + 10, y + 40, shortened(board_names(cluster_, stage), 32), "m");
        const auto first = network_.cuts[stage.begin].layers, end = network_.cuts[stage.end].layers;
        put(x + 10, y + 58, shortened(network_.layers[first].name, 30), "t");
        if (end - first > 1) put(x + 10, y + 73, shortened("... " + network_.layers[end - 1].name, 30), "t");
        put(x + 10, y + 91, fmt::format("{} layers, {:.4g} ms", end - first, cost.compute_s * 1e3), "m");
        if (!stage.on_processor) bars(x + 10, y + 104, cost, cluster_.boards[stage.boards.front()]);
        else put(x + 10, y + 120, "on the processor", "m");
    }

    // What is taken of each resource; the line is what may be.
    void bars(int x, int y, const StageCost& cost, const Board& board) {
        constexpr int length = 120;
        for (std::size_t i = 0; i < Resources::kinds; ++i) {
            if (board.whole.of[i] == 0) continue;
            const auto whole = static_cast<double>(board.whole.of[i]);
            const auto taken = static_cast<double>(cost.need.of[i]) / whole, most = static_cast<double>(board.usable.of[i]) / whole;
            put(x, y + 10, resource_names[i], "m", 10);
            out_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"10\" fill=\"#dde3ec\"/>"
                                "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"10\" fill=\"{}\"/>"
                                "<path d=\"M{:.1f} {}v12\" stroke=\"#c03030\"/>\n",
                                x + 44, y + 2, length, x + 44, y + 2, length * std::min(1.0, taken),
                                taken > 0.9 * most ? "#c46a00" : "#4a78b8", x + 44 + length * most, y + 1);
            put(x + 44 + length + 4, y + 11, fmt::format("{:.0f}%", taken * 100), "m", 10);
            y += 17;
        }
    }

    const Network& network_;
    const Cluster& cluster_;
    const Found& found_;
    std::string out_;
};

}  // namespace

std::string svg_of(const Network& network, const Cluster& cluster, const Found& found, const std::string& title) {
    return Drawing(network, cluster, found).run(title);
}

}  // namespace fard::splitter
