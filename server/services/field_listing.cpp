#include "server/services/field_listing.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "google/protobuf/util/time_util.h"

namespace dvren::server {
namespace {

constexpr int kDefaultPage = 100, kMaxPage = 1000;

// Sorts as text in the order that was asked for; unique, as names are.
std::string KeyOf(const v1::Field& field, bool by_time) {
  std::string key = by_time ? "t" : "n";
  if (by_time) {
    const std::string digits =
        std::to_string(google::protobuf::util::TimeUtil::TimestampToNanoseconds(field.create_time()));
    key.append(20 - std::min<std::size_t>(20, digits.size()), '0');
    key += digits;
  } else {
    key += field.display_name();
  }
  return key + '\0' + field.name();
}

}  // namespace

absl::StatusOr<v1::ListFieldsResponse> ListPage(std::vector<v1::Field> fields, const v1::ListFieldsRequest& request) {
  const std::string& order = request.order_by();
  if (!order.empty() && order != "name" && order != "create_time") {
    return InvalidField("order_by", order, "must be name or create_time");
  }
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return InvalidField("page_size", request.page_size(),
                        absl::StrCat("must be 1 to ", kMaxPage, ", or 0 for ", kDefaultPage));
  }
  const bool by_time = order == "create_time";
  const std::size_t page_size = request.page_size() == 0 ? kDefaultPage : static_cast<std::size_t>(request.page_size());
  std::string after;
  if (!request.page_token().empty()) {
    if (!absl::WebSafeBase64Unescape(request.page_token(), &after) || after.empty() ||
        after[0] != (by_time ? 't' : 'n')) {
      return InvalidField("page_token", request.page_token(), "must be next_page_token of a page in the same order");
    }
  }

  std::vector<std::pair<std::string, const v1::Field*>> keyed;
  for (const v1::Field& field : fields) {
    if (field.display_name().find(request.filter()) == std::string::npos) continue;
    std::string key = KeyOf(field, by_time);
    if (after.empty() || key > after) keyed.emplace_back(std::move(key), &field);
  }
  std::sort(keyed.begin(), keyed.end());
  v1::ListFieldsResponse response;
  for (std::size_t i = 0; i < std::min(page_size, keyed.size()); ++i) *response.add_fields() = *keyed[i].second;
  if (keyed.size() > page_size) {
    std::string token;
    absl::WebSafeBase64Escape(keyed[page_size - 1].first, &token);
    response.set_next_page_token(token);
  }
  return response;
}

}  // namespace dvren::server
