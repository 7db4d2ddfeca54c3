//! The query path allocates nothing, and frees nothing: counted over a mix of everything.

#[cfg(test)]
mod counting;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod mix;
#[cfg(test)]
mod rewritten;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
