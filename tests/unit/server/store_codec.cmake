# Tests of server/registries and server/codec; included by this folder's CMakeLists.txt.
dvren_test(dvren_store_test LABEL unit
  SOURCES store_byte_budget_test.cpp store_digest_test.cpp store_display_name_test.cpp store_field_registry_test.cpp
    store_field_store_test.cpp store_gradient_registry_test.cpp store_session_registry_test.cpp store_tape_registry_test.cpp
    store_upload_store_test.cpp
  LIBS dvren_registries)
dvren_test(dvren_codec_test LABEL unit
  SOURCES codec_camera_test.cpp codec_gradient_test.cpp codec_import_test.cpp codec_sampling_test.cpp codec_scene_test.cpp codec_tensor_test.cpp
    codec_training_test.cpp codec_training_exchange_test.cpp codec_volume_test.cpp
  LIBS dvren_registries)
dvren_test(dvren_services_test LABEL unit
  SOURCES services_allowed_path_test.cpp services_field_listing_test.cpp services_worker_pool_test.cpp
  LIBS dvren_server)
