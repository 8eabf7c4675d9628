-- A search of high priority of regression whose final fit waits while a trial runs that has a checkpoint; an
-- import that runs, one that is done, one that has failed and one that was cancelled.
INSERT INTO keys (id, name, role, prefix, hash)
VALUES ('00000000-0000-0000-0000-000000000001', 'admin', 'admin', 'netmorph_abcd', '\x01');
INSERT INTO datasets (id, owner_id, name, builtin, task, spec, blob_key, blob_bytes)
VALUES ('00000000-0000-0000-0000-00000000000a', NULL, 'digits', true, 'image-classification',
    '{"input_shape": [1, 8, 8], "classes": 2, "class_names": ["0", "1"], "train_examples": 10,
      "test_examples": 5, "dtype": "uint8"}',
    'datasets/0000000000000000000000000000000000000000000000000000000000000001.safetensors', 9);
INSERT INTO networks (id, owner_id, name, digest, architecture, fingerprint, blob_key, blob_bytes)
VALUES ('00000000-0000-0000-0000-0000000000f1', '00000000-0000-0000-0000-000000000001', 'mine',
    '\x03', '{"version": 1, "nodes": []}', 'f0',
    'weights/0000000000000000000000000000000000000000000000000000000000000003.safetensors', 9);
INSERT INTO searches (id, owner_id, dataset_id, root_id, name, status, config, bounds, parallelism,
    trial_limit, next_number, started_at)
VALUES ('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-000000000001',
    '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000f1', 'digits',
    'finishing',
    '{"budget": {"trials": 2}, "parallelism": 2, "training": {"ensemble": 2},
      "root": "00000000-0000-0000-0000-0000000000f1"}', '{}', 2, 2, 3, now());
INSERT INTO versions (search_id, version) VALUES ('00000000-0000-0000-0000-0000000000b1', 7);
INSERT INTO trials (id, search_id, number, kind, status, morphisms, architecture, fingerprint,
    layers, parameters, flops, inherited, value, epochs_spent, ended_at, report_digest,
    latency, precision, validation_loss, measures)
VALUES ('00000000-0000-0000-0000-0000000000c1', '00000000-0000-0000-0000-0000000000b1', 0,
    'search', 'completed', '[]', '{"version": 1, "nodes": []}', 'f0', 2, 10, 10, false, 0.5, 3,
    now(), '\x01', 0.0002, 'bf16 channels-last', 0.25,
    '[["RMSE", 54.3], ["MAE", 43.1]]');
INSERT INTO epochs (trial_id, attempt, epoch, validation_metric, seconds)
VALUES ('00000000-0000-0000-0000-0000000000c1', 1, 1, 0.5, 1.5);
INSERT INTO trials (id, search_id, number, kind, status, parent_id, morphisms, architecture,
    fingerprint, layers, parameters, flops, inherited, choices, value, epochs_spent, ended_at,
    report_digest)
VALUES ('00000000-0000-0000-0000-0000000000c2', '00000000-0000-0000-0000-0000000000b1', 1,
    'search', 'completed', '00000000-0000-0000-0000-0000000000c1', '[]',
    '{"version": 1, "nodes": []}', 'f1', 2, 10, 10, true, '{"mixing": 1.0}', 0.6, 3, now(), '\x02');
INSERT INTO trials (id, search_id, number, kind, status, parent_id, morphisms, architecture,
    fingerprint, layers, parameters, flops, inherited, members)
VALUES ('00000000-0000-0000-0000-0000000000c3', '00000000-0000-0000-0000-0000000000b1', 2,
    'final', 'waiting', '00000000-0000-0000-0000-0000000000c2', '[]',
    '{"version": 1, "nodes": []}', 'f2', 4, 20, 20, true, '[1, 0]');
UPDATE trials SET training_memory = 12000;
INSERT INTO workers (id, boot_id, name, device, threads, memory)
VALUES ('00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-0000000000e2', 'large',
    'a GPU', 1, 85899345920);
INSERT INTO memory_limits (device, memory, exceeded, fitted)
VALUES ('cpu', 0, 15000, 11000), ('a GPU', 85899345920, NULL, 20000);
UPDATE trials SET worker = 'large', worker_id = '00000000-0000-0000-0000-0000000000e1'
WHERE status = 'completed';
INSERT INTO failed_attempts (trial_id, ended_at, attempt, worker_id, reason)
VALUES ('00000000-0000-0000-0000-0000000000c2', now() - interval '1 hour', 1,
    '00000000-0000-0000-0000-0000000000e1', 'the trainer ended by signal 9');
INSERT INTO trials (id, search_id, number, kind, status, parent_id, morphisms, architecture,
    fingerprint, layers, parameters, flops, inherited, started_at, checkpoint_key,
    checkpoint_bytes, checkpoint_attempt, checkpoint_epoch, checkpoint_seconds)
VALUES ('00000000-0000-0000-0000-0000000000c4', '00000000-0000-0000-0000-0000000000b1', 3,
    'search', 'running', '00000000-0000-0000-0000-0000000000c2', '[]',
    '{"version": 1, "nodes": []}', 'f3', 4, 20, 20, true, now(),
    'checkpoints/0000000000000000000000000000000000000000000000000000000000000004.safetensors',
    9, 1, 2, 3.5);
INSERT INTO leases (trial_id, attempt, token, worker_id, boot_id, expires_at, epochs,
    stored_epoch)
VALUES ('00000000-0000-0000-0000-0000000000c4', 1, '00000000-0000-0000-0000-0000000000d4',
    '00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-0000000000e2',
    now() + interval '1 minute', 3, 2);
UPDATE searches SET next_number = 4;
INSERT INTO operations (id, owner_id, kind, name, step, holder)
VALUES ('00000000-0000-0000-0000-00000000f101', '00000000-0000-0000-0000-000000000001', 'upload',
    'mine', 'reading the file', '00000000-0000-0000-0000-00000000f1ff');
INSERT INTO operations (id, owner_id, kind, name, status, dataset_id, holder, ended_at)
VALUES ('00000000-0000-0000-0000-00000000f102', '00000000-0000-0000-0000-000000000001', 'builtin',
    'digits', 'done', '00000000-0000-0000-0000-00000000000a',
    '00000000-0000-0000-0000-00000000f1ff', now());
INSERT INTO operations (id, owner_id, kind, name, status, problem, holder, ended_at)
VALUES ('00000000-0000-0000-0000-00000000f103', '00000000-0000-0000-0000-000000000001', 'upload',
    'mine', 'failed',
    '{"type": "about:blank", "title": "Unprocessable Entity", "status": 422, "detail": "no"}',
    '00000000-0000-0000-0000-00000000f1ff', now());
UPDATE searches SET priority = 'high';
UPDATE trials SET queue_rank = 1;
INSERT INTO operations (id, owner_id, kind, name, status, problem, holder, ended_at)
VALUES ('00000000-0000-0000-0000-00000000f104', '00000000-0000-0000-0000-000000000001', 'upload',
    'mine', 'cancelled',
    '{"type": "about:blank", "title": "Conflict", "status": 409, "detail": "cancelled by me"}',
    '00000000-0000-0000-0000-00000000f1ff', now());
