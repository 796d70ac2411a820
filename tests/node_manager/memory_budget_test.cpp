#include "runtime/node_manager/memory_budget.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace fard;

TEST_CASE("runs hold no more than the budget, and who waits is served by ticket") {
    MemoryBudget budget(100);
    const Ticket first{1, {"a"}}, second{2, {"b"}}, third{3, {"c"}};
    CHECK(budget.take(second, 60));
    CHECK(budget.take(second, 60));  // asking again takes nothing more
    CHECK_FALSE(budget.take(first, 50));
    CHECK_FALSE(budget.take(third, 10));  // all that is left is the older one's
    budget.give_back(second);
    CHECK(budget.take(third, 10));
    CHECK(budget.take(first, 50));
    budget.give_back(first);
    budget.give_back(third);
    CHECK(budget.take(third, 100));
    budget.give_back(second);  // holds nothing
    CHECK_FALSE(budget.take(second, std::numeric_limits<std::uint64_t>::max()));
}
