// A bound of every plan's latency by prices on slots: a plan that pays for each slot of a kind what a slot is worth, and gets
// back what all slots there are cost, is no better than the best of plans that may take as many slots as they like.
#pragma once

#include <cstdint>
#include <vector>

#include "splitter/search/problem.hpp"

namespace fard::splitter {

class SlotPrices {
  public:
    explicit SlotPrices(Problem& problem);

    // Looks for prices that make the bound high: so many rounds, with a latency that a plan has. What is found is kept.
    void raise(double known_s, int rounds);
    double bound_s() const { return bound_s_; }  // no plan is below

    // The least that is still to come for a chunk that a stage on this kind has computed up to a cut, its slots' prices
    // included; and those prices.
    double rest_s(std::size_t cut, std::size_t kind) const { return rest_[kind * cuts_ + cut]; }
    double price_s(std::size_t kind) const { return prices_[kind]; }
    // Of a stage between two cuts; infinite where none fits.
    double stage_s(std::size_t fabric, std::size_t begin, std::size_t end) const;

  private:
    struct Step {  // what the best plan does behind a cut
        std::uint32_t end = 0;
        std::uint16_t kind = 0, slots = 1;
        bool parts = false;
    };
    struct Tables {  // by cut and kind
        std::vector<double> rest;         // behind a stage that ended there; by kind, then by cut
        std::vector<double> begun;        // before one that begins there
        std::vector<Step> steps;          // of the stage that begins there
        std::vector<std::uint16_t> next;  // the kind of the stage behind one that ended there; kinds_: parts
        std::vector<double> rest_of_parts, begun_in_parts;  // by cut
        std::vector<Step> steps_in_parts;
        std::vector<std::uint16_t> next_of_parts;
    };

    double pass(const std::vector<double>& prices);  // fills tables_
    void begin_stages(const std::vector<double>& prices, std::size_t cut);
    void begin_in_parts(const std::vector<double>& prices, std::size_t cut);
    void end_stages(std::size_t cut);
    std::vector<double> used() const;  // slots of each kind, by the plan of the last pass
    End end_at(std::size_t kind) const;
    double way_s(std::size_t cut, std::size_t from, std::size_t to) const;  // kinds_: the client
    double merge_s(std::size_t cut, std::size_t to) const;

    Problem& problem_;
    std::size_t kinds_ = 0, cuts_ = 0;
    std::vector<std::vector<std::vector<double>>> stages_;  // seconds, by fabric, begin and end
    std::vector<double> prices_, rest_;                     // of the best bound
    double bound_s_ = 0;
    Tables tables_;
};

}  // namespace fard::splitter
