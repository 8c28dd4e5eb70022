#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "server/services/field_listing.h"

namespace dvren::server {
namespace {

// Made in this order.
std::vector<v1::Field> Fields(const std::vector<std::string>& names) {
  std::vector<v1::Field> fields;
  for (const std::string& name : names) {
    v1::Field field;
    field.set_name("fields/" + std::to_string(fields.size()));
    field.set_display_name(name);
    field.mutable_create_time()->set_seconds(1000 + static_cast<std::int64_t>(fields.size()));
    fields.push_back(field);
  }
  return fields;
}

std::string Names(const v1::ListFieldsResponse& page) {
  std::string names;
  for (const v1::Field& field : page.fields()) names += field.display_name() + " ";
  return names;
}

TEST_CASE("Fields are listed by name or by age, and filtered by a part of their name") {
  const auto fields = Fields({"smoke", "cloud", "smog"});
  v1::ListFieldsRequest request;
  CHECK(Names(*ListPage(fields, request)) == "cloud smog smoke ");
  request.set_order_by("create_time");
  CHECK(Names(*ListPage(fields, request)) == "smoke cloud smog ");
  request.set_filter("smo");
  CHECK(Names(*ListPage(fields, request)) == "smoke smog ");
  CHECK(ListPage(fields, request)->next_page_token().empty());
}

TEST_CASE("Pages go on after their last field, whatever was deleted meanwhile") {
  v1::ListFieldsRequest request;
  request.set_page_size(2);
  const auto first = ListPage(Fields({"a", "b", "c", "d"}), request);
  CHECK(Names(*first) == "a b ");
  request.set_page_token(first->next_page_token());
  const auto second = ListPage(Fields({"c", "d"}), request);
  CHECK(Names(*second) == "c d ");
  CHECK(second->next_page_token().empty());
}

TEST_CASE("Requests for no page are refused by name") {
  v1::ListFieldsRequest request;
  request.set_page_size(-1);
  CHECK(std::string(ListPage({}, request).status().message()).find("page_size = -1") == 0);
  request.set_page_size(1001);
  CHECK(absl::IsInvalidArgument(ListPage({}, request).status()));
  request.set_page_size(0);
  request.set_order_by("size");
  CHECK(std::string(ListPage({}, request).status().message()).find("order_by = size") == 0);
  request.set_order_by("name");
  request.set_page_token("%%%");
  CHECK(std::string(ListPage({}, request).status().message()).find("page_token = ") == 0);
}

}  // namespace
}  // namespace dvren::server
