//! Manifest files as a source of objects.
