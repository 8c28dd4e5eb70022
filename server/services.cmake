# Registries, codecs and services; included by server/CMakeLists.txt.
#   dvren_registries       fields and uploads on disk, and what proto messages mean (codec): no gRPC calls, no service context
#   DVREN_SERVICE_SOURCES  the gRPC services, which need the service context and the middleware: sources for the
#                          server's own library, relative to server/

add_library(dvren_registries STATIC
  codec/adjoint_codec.cpp codec/camera_codec.cpp codec/geometry_codec.cpp codec/gradient_codec.cpp codec/import_codec.cpp codec/job_codec.cpp codec/sampling_codec.cpp codec/scene_codec.cpp
  codec/tensor_codec.cpp codec/training_codec.cpp codec/training_exchange_codec.cpp codec/volume_codec.cpp
  registries/byte_budget.cpp registries/checkpoint_store.cpp registries/display_name.cpp registries/field_check.cpp
  registries/field_json.cpp registries/field_objects.cpp registries/field_registry.cpp
  registries/field_residency.cpp registries/field_store.cpp registries/gradient_registry.cpp registries/session_registry.cpp
  registries/tape_registry.cpp registries/training_session.cpp registries/upload_store.cpp)
dvren_target(dvren_registries)
target_include_directories(dvren_registries PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}/..")
target_link_libraries(dvren_registries PUBLIC dvren::proto dvren::engine dvren::io dvren_durable_files dvren_job_store)

set(DVREN_SERVICE_SOURCES
  services/admin_service.cpp services/allowed_path.cpp services/artifact_download.cpp services/bench_job.cpp
  services/job_inputs.cpp services/job_kinds.cpp services/job_render.cpp services/job_results.cpp services/job_run.cpp services/job_runner.cpp services/job_service.cpp services/job_watch.cpp
  services/render_sequence_job.cpp services/train_job.cpp services/backward_stream.cpp services/dataset_loading.cpp
  services/camera_listing.cpp services/checkpoint_calls.cpp services/gradient_streams.cpp services/parameter_streams.cpp services/session_task.cpp
  services/download_stream.cpp services/evaluate_stream.cpp services/field_import.cpp services/field_listing.cpp
  services/field_publishing.cpp services/field_service.cpp services/field_update.cpp
  services/forward_pass.cpp services/forward_stream.cpp services/gradient_download.cpp services/gradient_values.cpp
  services/render_plan.cpp services/render_rays_call.cpp services/render_service.cpp services/render_stream.cpp
  services/session_creation.cpp services/session_lease.cpp services/stream_rays_call.cpp services/ray_work.cpp services/tape_freshness.cpp
  services/train_step_call.cpp services/train_stream.cpp services/training_run.cpp services/training_service.cpp services/upload_stream.cpp services/value_sum.cpp
  services/worker_pool.cpp)
