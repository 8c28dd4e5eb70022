// The floating-point environment of device workers.
#pragma once

namespace dvren::server {

// Round to nearest, denormals kept, exceptions masked: a render's bits must not depend on what a library left behind.
void SetFloatingPointEnvironment();

}  // namespace dvren::server
