#include "planner/timeline.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

namespace fard::planner {
namespace {

constexpr double left = 132, width = 940, right = 28, top = 112, lane_height = 15, lane_gap = 3, row_gap = 14;

struct Colour {
    const char* fill;
    const char* name;
};
constexpr std::array colours = {Colour{"#e9a23b", "load"}, Colour{"#3f74b5", "compute"}, Colour{"#4d9f7a", "receive"},
                                Colour{"#a86bb0", "send"}};
// Positions that share a board are told apart by two blues.
constexpr std::array blues = {"#3f74b5", "#7ba6d6"};

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text)
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
        }
    return out;
}

std::string seconds_text(double seconds) {
    if (seconds == 0) return "0";
    if (seconds < 1e-3) return fmt::format("{:.4g} us", seconds * 1e6);
    if (seconds < 1) return fmt::format("{:.4g} ms", seconds * 1e3);
    return fmt::format("{:.4g} s", seconds);
}

// Spans of one kind and position that follow each other within less than a pixel are one block.
std::vector<Span> merged(std::vector<Span> spans, double least_gap) {
    std::ranges::stable_sort(spans, {}, &Span::begin_s);
    std::vector<Span> blocks;
    for (const auto& span : spans) {
        auto* last = blocks.empty() ? nullptr : &blocks.back();
        if (last && last->what == span.what && last->position == span.position && span.begin_s <= last->end_s + least_gap)
            last->end_s = std::max(last->end_s, span.end_s);
        else
            blocks.push_back(span);
    }
    return blocks;
}

class Timeline {
  public:
    Timeline(const Pipeline& pipeline, const Simulated& simulated) : pipeline_(pipeline), wall_(simulated.wall_s()) {
        for (const auto& span : simulated.spans)
            lanes_[{span.place, lane_of(span)}].push_back(span);
    }

    std::string run(const std::string& title, const std::string& subtitle) {
        rows();
        const auto height = y_ + 40;
        auto svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
                               "font-family=\"system-ui, sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
                               left + width + right, height);
        svg += text(28, 34, title, "#1d2a3d", 18) + text(28, 55, subtitle, "#5b6778", 12) + legend() + axis() + body_;
        return svg + "</svg>\n";
    }

  private:
    using Lane = std::pair<std::size_t, std::size_t>;  // place; slots first, then in, then out

    std::size_t lane_of(const Span& span) const {
        const auto slots = std::max<std::size_t>(1, pipeline_.places[span.place].slots);
        if (span.what == Span::What::receive) return slots;
        if (span.what == Span::What::send) return slots + 1;
        return span.slot;
    }

    static std::string text(double x, double y, const std::string& what, const char* fill, int size, const char* anchor = "start") {
        return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\" font-size=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, fill, size, anchor,
                           escaped(what));
    }

    double x_of(double seconds) const { return left + width * seconds / wall_; }

    static std::string legend() {
        std::string out;
        double x = left;
        for (const auto& colour : colours) {
            out += fmt::format("<rect x=\"{:.1f}\" y=\"70\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\n", x, colour.fill) +
                   text(x + 17, 80, colour.name, "#1d2a3d", 11);
            x += 84;
        }
        return out;
    }

    // Some ten marks, at round numbers.
    std::string axis() const {
        auto step = std::pow(10.0, std::floor(std::log10(wall_ / 5)));
        while (wall_ / step > 12)
            step *= wall_ / step > 30 ? 5 : 2;
        std::string out;
        for (double at = 0; at <= wall_ * (1 + 1e-9); at += step)
            out += fmt::format("<path d=\"M{0:.1f} {1:.0f}V{2:.0f}\" stroke=\"#e3e7ee\"/>\n", x_of(at), top - 6, y_) +
                   text(x_of(at), y_ + 16, seconds_text(at), "#5b6778", 10, "middle");
        return out;
    }

    void rows() {
        y_ = top;
        for (std::size_t place = 0; place < pipeline_.places.size(); ++place) {
            const auto slots = std::max<std::size_t>(1, pipeline_.places[place].slots);
            const bool any = std::ranges::any_of(lanes_, [&](const auto& lane) { return lane.first.first == place; });
            if (!any) continue;
            body_ += text(28, y_ + 12, pipeline_.places[place].name, "#1d2a3d", 12);
            for (std::size_t lane = 0; lane < slots + 2; ++lane)
                row(place, lane, lane < slots ? (slots > 1 ? fmt::format("slot {}", lane) : "fabric") : lane == slots ? "in" : "out");
            y_ += row_gap;
        }
    }

    void row(std::size_t place, std::size_t lane, const std::string& name) {
        const auto found = lanes_.find({place, lane});
        if (found == lanes_.end()) return;
        body_ += text(left - 8, y_ + 11.5, name, "#5b6778", 10, "end");
        body_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#f4f6fa\"/>\n", left, y_, width, lane_height);
        for (const auto& span : merged(found->second, wall_ / width))
            block(span);
        y_ += lane_height + lane_gap;
    }

    void block(const Span& span) {
        const auto wide = std::max(0.5, x_of(span.end_s) - x_of(span.begin_s));
        const bool computes = span.what == Span::What::compute;
        const auto* fill = computes ? blues[span.position % 2] : colours[static_cast<std::size_t>(span.what)].fill;
        const auto what = fmt::format("{} {}: {} to {}", pipeline_.positions[std::min(span.position, pipeline_.positions.size() - 1)].name,
                                      colours[static_cast<std::size_t>(span.what)].name, seconds_text(span.begin_s), seconds_text(span.end_s));
        body_ += fmt::format("<rect x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\" rx=\"1.5\" fill=\"{}\"><title>{}</title></rect>\n",
                             x_of(span.begin_s), y_, wide, lane_height, fill, escaped(what));
        if ((computes || span.what == Span::What::load) && wide > 16)
            body_ += text(x_of(span.begin_s) + wide / 2, y_ + 11.5, std::to_string(span.position), "#ffffff", 10, "middle");
    }

    const Pipeline& pipeline_;
    double wall_, y_ = top;
    std::map<Lane, std::vector<Span>> lanes_;
    std::string body_;
};

}  // namespace

std::string timeline_svg(const Pipeline& pipeline, const Simulated& simulated, const std::string& title, const std::string& subtitle) {
    return Timeline(pipeline, simulated).run(title, subtitle);
}

}  // namespace fard::planner
