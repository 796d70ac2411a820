// What a campaign of faults counts.
#pragma once

#include <cstdio>
#include <map>
#include <string>

namespace fard::soak {

class Tally {
  public:
    // "exact", "ended: WHY" or "WRONG: WHY".
    void add(const std::string& kind, const std::string& fault, const std::string& verdict, double seconds) {
        auto& count = counts_[kind];
        ++(verdict == "exact" ? count.exact : verdict.starts_with("ended") ? count.ended : count.wrong);
        std::printf("%-22s %5.1f s  %s\n", fault.c_str(), seconds, verdict.c_str());
        std::fflush(stdout);
    }

    // Prints all of them; true if none was wrong.
    bool finish() const {
        bool right = !counts_.empty();
        std::printf("\n%-22s %6s %6s %6s\n", "fault", "exact", "ended", "WRONG");
        for (const auto& [kind, count] : counts_) {
            std::printf("%-22s %6d %6d %6d\n", kind.c_str(), count.exact, count.ended, count.wrong);
            right = right && count.wrong == 0;
        }
        return right;
    }

  private:
    struct Count {
        int exact = 0, ended = 0, wrong = 0;
    };
    std::map<std::string, Count> counts_;
};

}  // namespace fard::soak
